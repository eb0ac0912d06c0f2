import shutil
from pathlib import Path

import pytest

from pipeline.code_digest import _PACKAGES, digest_code

ROOT = Path(__file__).parents[3]
ENTRIES = {
    "ExampleGen": "components.mnist_example_gen.executor",
    "Transform": "models.preprocessing",
    "Trainer": "models.training.run_fn",
    "Evaluator": "components.evaluation.metrics",
    "ServingCheck": "components.serving_check",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    for package in _PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def digests(tree):
    return {name: digest_code(module, root=tree) for name, module in ENTRIES.items()}


@pytest.mark.parametrize(
    ("edited", "seen_by"),
    [
        ("models/preprocessing.py", {"Transform", "Trainer", "ServingCheck"}),
        ("models/normalising.py", {"Trainer", "ServingCheck"}),
        ("models/features.py", set(ENTRIES)),
        ("components/evaluation/metrics.py", {"Evaluator"}),
        ("components/mnist_example_gen/idx.py", {"ExampleGen"}),
        ("serving_bot/versions/canary.png", {"ServingCheck"}),
        ("serving_bot/versions/check.py", {"ServingCheck"}),
        ("serving_bot/telegram/texts.py", set()),
        ("pipeline/cli/run.py", set()),
    ],
)
def test_an_edit_affects_only_the_components_that_run_it(tree, edited, seen_by):
    before = digests(tree)
    content = (tree / edited).read_bytes()
    (tree / edited).write_bytes(content + b"\n")
    try:
        after = digests(tree)
    finally:
        (tree / edited).write_bytes(content)

    assert {name for name in ENTRIES if before[name] != after[name]} == seen_by
    assert digests(tree) == before


def test_the_standard_library_is_not_part_of_the_digest():
    assert digest_code("json") == digest_code()
