"""VersionedPusher's executor on a real export, with real blessings."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import standard_artifacts as artifacts
from tfx.utils import json_utils

from components import versioned_pusher
from components.versioned_pusher import Executor, PushError, claim_version
from serving_bot.reading.classifier import Classifier


@pytest.fixture
def push(tiny_run, tmp_path):
    """Pushes the export of the tiny run to a folder; returns the PushedModel artifact."""
    inputs = {
        "model": [tiny_run.artifact("Trainer", "model", artifacts.Model)],
        "model_blessing": [tiny_run.artifact("Evaluator", "blessing", artifacts.ModelBlessing)],
        "infra_blessing": [tiny_run.artifact("ServingCheck", "blessing", artifacts.InfraBlessing)],
        "evaluation": [tiny_run.artifact("Evaluator", "evaluation", artifacts.ModelEvaluation)],
        "examples": [tiny_run.artifact("MnistExampleGen", "examples", artifacts.Examples)],
    }

    def push(push_dir, **blessed):
        for name, value in blessed.items():
            inputs[name][0].set_int_custom_property("blessed", value)
        pushed = artifacts.PushedModel()
        pushed.uri = str(tmp_path / "pushed")
        context = BaseExecutor.Context(pipeline_run_id="run-7")
        Executor(context).Do(inputs, {"pushed_model": [pushed]}, {"push_dir": str(push_dir)})
        return pushed

    push.inputs = inputs
    return push


def complete(push_dir):
    return sorted(int(path.parent.name) for path in Path(push_dir).glob("*/saved_model.pb"))


def test_a_blessed_export_becomes_a_version_the_bot_loads(push, tmp_path):
    pushed = push(tmp_path / "to")
    (version,) = complete(tmp_path / "to")
    assert pushed.get_string_custom_property("pushed_version") == str(version)
    folder = tmp_path / "to" / str(version)
    assert pushed.get_string_custom_property("pushed_destination") == str(folder)
    assert (folder / "fingerprint.pb").exists()
    assert (folder / "variables").is_dir()
    card = Classifier.load(str(folder)).card
    assert card["version"] == version
    assert card["run_id"] == "run-7"
    assert card["data"]["source"] == "user"
    assert card["data"]["splits"] == {"train": 1000, "eval": 200, "test": 300}
    assert card["data"]["fingerprint"]
    assert 0 <= card["metrics"]["test_accuracy"] <= 1
    assert set(card["metrics"]["test_accuracy_by_digit"]) == set("0123456789")
    assert {"model", "epochs", "seed", "git_revision", "versions", "trained_at", "pushed_at", "temperature"} <= set(
        card
    )


def cut(file):
    file.write_bytes(file.read_bytes()[:-20])


def test_the_same_export_is_pushed_once(push, tmp_path):
    first, second = push(tmp_path / "to"), push(tmp_path / "to")
    assert len(complete(tmp_path / "to")) == 1
    assert first.get_string_custom_property("pushed_version") == second.get_string_custom_property("pushed_version")


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: cut(folder / "assets.extra" / "model.tflite"),
        lambda folder: cut(folder / "saved_model.pb"),
        lambda folder: cut(next(folder.glob("variables/*data*"))),
        lambda folder: (folder / "fingerprint.pb").unlink(),
    ],
    ids=["flatbuffer", "graph", "weights", "fingerprint"],
)
def test_a_damaged_version_is_pushed_again_beside_it(push, tmp_path, damage):
    push(tmp_path / "to")
    (first,) = complete(tmp_path / "to")
    damage(tmp_path / "to" / str(first))
    pushed = push(tmp_path / "to")
    assert complete(tmp_path / "to")[0] == first
    newer = complete(tmp_path / "to")[-1]
    assert newer > first
    assert pushed.get_string_custom_property("pushed_version") == str(newer)
    assert Classifier.load(str(tmp_path / "to" / str(newer))).card["replaces"] == first
    push(tmp_path / "to")
    assert complete(tmp_path / "to") == [first, newer]


def test_a_damaged_export_is_not_pushed(push, tiny_run, tmp_path):
    flatbuffer = (
        Path(tiny_run.artifact("Trainer", "model", artifacts.Model).uri) / "Format-Serving/assets.extra/model.tflite"
    )
    content = flatbuffer.read_bytes()
    cut(flatbuffer)
    try:
        with pytest.raises(PushError, match="was damaged after training"):
            push(tmp_path / "to")
    finally:
        flatbuffer.write_bytes(content)
    assert complete(tmp_path / "to") == []


def test_a_read_only_folder_is_a_one_line_error(push, tmp_path, monkeypatch):
    def refuse(folder, *_):
        raise PermissionError(13, "Permission denied", folder)

    (tmp_path / "to").mkdir()
    monkeypatch.setattr(versioned_pusher.os, "mkdir", refuse)
    with pytest.raises(PushError, match=r"^Nothing was pushed to .*/to: Permission denied \(.*/to/[0-9]+\)\.$"):
        push(tmp_path / "to")


CHILD = """
import sys
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import standard_artifacts
from tfx.utils import json_utils
from components.versioned_pusher import Executor
inputs, push_dir, uri = json_utils.loads(sys.stdin.read())
pushed = standard_artifacts.PushedModel()
pushed.uri = uri
Executor(BaseExecutor.Context(pipeline_run_id=uri)).Do(inputs, {"pushed_model": [pushed]}, {"push_dir": push_dir})
"""


def test_concurrent_runs_push_an_export_once(push, tmp_path):
    """Real processes: the second waits for the first and finds its version."""
    running = []
    for name in ("one", "two"):
        child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, cwd=Path(__file__).parents[2])
        child.stdin.write(json_utils.dumps([push.inputs, str(tmp_path / "to"), str(tmp_path / name)]).encode())
        child.stdin.close()
        running.append(child)
    assert [child.wait(timeout=300) for child in running] == [0, 0]
    (version,) = complete(tmp_path / "to")
    cards = {(tmp_path / name / "assets.extra/card.json").read_text() for name in ("one", "two")}
    assert [json.loads(card)["version"] for card in cards] == [version]


def test_an_unwritable_folder_is_a_one_line_error(push, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PushError, match=r"^Nothing was pushed to .*file/models: .* is not a directory\.$"):
        push(tmp_path / "file" / "models")


def test_a_deleted_version_is_pushed_again(push, tmp_path):
    push(tmp_path / "to")
    for path in sorted((tmp_path / "to").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    push(tmp_path / "to")
    assert len(complete(tmp_path / "to")) == 1


@pytest.mark.parametrize("missing", ["model_blessing", "infra_blessing"])
def test_without_both_blessings_there_is_no_push(push, tmp_path, missing):
    try:
        pushed = push(tmp_path / "to", **{missing: 0})
    finally:
        push(tmp_path / "elsewhere", **{missing: 1})
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "to").exists()


def test_a_half_copied_version_is_skipped_and_left_unchanged(push, tmp_path):
    """As after a killed push; the next push need not wait for another second of the clock."""
    push(tmp_path / "to")
    (version,) = complete(tmp_path / "to")
    (tmp_path / "to" / str(version) / "saved_model.pb").unlink()
    push(tmp_path / "to")
    (newer,) = complete(tmp_path / "to")
    assert newer > version
    assert (tmp_path / "to" / str(version)).exists()


def test_versions_increase_even_if_the_clock_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(versioned_pusher.time, "time", lambda: 1_700_000_000.5)
    (tmp_path / "not a version").mkdir()
    assert [claim_version(str(tmp_path)) for _ in range(3)] == [1_700_000_000, 1_700_000_001, 1_700_000_002]
    monkeypatch.setattr(versioned_pusher.time, "time", lambda: 1_600_000_000.0)
    assert claim_version(str(tmp_path)) == 1_700_000_003


def test_concurrent_pushers_never_share_a_version(tmp_path):
    versions = []
    threads = [threading.Thread(target=lambda: versions.append(claim_version(str(tmp_path)))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(versions)) == 16


def test_the_exports_card_is_unchanged(push, tiny_run, tmp_path):
    export = Path(tiny_run.artifact("Trainer", "model", artifacts.Model).uri) / "Format-Serving"
    before = (export / "assets.extra" / "card.json").read_text()
    push(tmp_path / "to")
    assert (export / "assets.extra" / "card.json").read_text() == before
    assert "version" not in json.loads(before)
