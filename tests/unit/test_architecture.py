"""The dependency rules of CONTRIBUTING.md, checked on the sources' syntax trees."""

import ast
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest's files

ROOT = Path(__file__).parents[2]
PACKAGES = ("compat", "components", "models", "pipeline", "serving_bot", "workers")
TENSORFLOW = {"tensorflow", "tf_keras", "tfx", "tfx_bsl", "keras", "apache_beam", "ml_metadata"} | {
    f"tensorflow_{name}" for name in ("data_validation", "metadata", "model_analysis", "transform")
}


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all modules and members that a file imports, in any scope; relative ones made absolute."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def within(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def violations(paths: list[Path], *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imports(path)
        if any(within(name, module) for module in forbidden)
    ]


def test_there_are_modules_to_check():
    assert {path.relative_to(ROOT).parts[0] for path in modules(*PACKAGES)} == set(PACKAGES)


def test_imports_are_found_in_every_scope(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "models" / "deep" / "some.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import a.b\n"
        "def f():\n    from c import d\n"
        "if True:\n    from . import e\n    from .. import g\n"
        "from ..h import i\n"
    )

    assert set(imports(path)) == {"a.b", "c.d", "models.deep.e", "models.g", "models.h.i"}


def test_the_bot_needs_neither_tensorflow_nor_the_pipeline():
    assert not violations(modules("serving_bot"), *TENSORFLOW, "pipeline", "components")


def test_training_does_not_import_the_bot():
    assert not violations(modules("models"), "serving_bot", "components", "pipeline")


def test_only_the_bots_command_imports_it():
    paths = modules("components", "models", "pipeline", "serving_bot/reading", "serving_bot/versions")
    command = ROOT / "pipeline" / "cli" / "bot.py"

    assert not violations([path for path in paths if path != command], "serving_bot.telegram", "telegram")
    assert violations([command], "serving_bot.telegram")


def test_imports_have_no_cycles():
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in modules(*PACKAGES)}
    graph = {
        name: {other for found in imports(path) for other in (found, found.rpartition(".")[0]) if other in names}
        for name, path in names.items()
    }

    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("name", ["lenet", "my_model"])
def test_a_models_file_imports_only_keras(name):
    allowed = ("__future__", "keras", "models.features")

    others = [
        found
        for found in imports(ROOT / "models" / f"{name}.py")
        if not any(within(found, module) for module in allowed)
    ]

    assert others == []


def test_the_lowest_packages_import_no_others():
    assert not violations(modules("compat", "workers"), "components", "models", "pipeline", "serving_bot")


# Modules of TFX whose names `tfx.v1` exports; importing `tfx.v1` takes half a minute.
PUBLIC_TFX = (
    "tfx.components.Evaluator",
    "tfx.components.ExampleValidator",
    "tfx.components.SchemaGen",
    "tfx.components.StatisticsGen",
    "tfx.components.Trainer",
    "tfx.components.Transform",
    "tfx.components.schema_gen.import_schema_gen.component",
    "tfx.components.trainer.fn_args_utils.FnArgs",
    "tfx.dsl.component.experimental",
    "tfx.dsl.components.common.resolver.Resolver",
    "tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy",
    "tfx.dsl.io",
    "tfx.extensions.google_cloud_ai_platform.trainer.component",
    "tfx.orchestration.data_types.RuntimeParameter",
    "tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner",
    "tfx.orchestration.local.local_dag_runner",
    "tfx.orchestration.metadata",
    "tfx.orchestration.pipeline.Pipeline",
    "tfx.proto",
    "tfx.types.Artifact",
    "tfx.types.BaseChannel",
    "tfx.types.Channel",
    "tfx.types.standard_artifacts",
    "tfx.v1",
)
PRIVATE_ATTRIBUTES = {"_symbolic_build", "_maybe_symbolic_build", "_add_argparse_args"}
PRIVATE_MODULES = (
    "keras.src",
    "kfp.pipeline_spec",
    "tensorflow.python",
    "tensorflow_model_analysis.metrics",
    "tensorflow_model_analysis.proto",
)


def test_only_compat_uses_private_names_of_libraries():
    paths = [*modules(*(package for package in PACKAGES if package != "compat")), *modules("benchmarks")]
    of_tfx = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imports(path)
        if within(name, "tfx") and not any(within(name, public) for public in PUBLIC_TFX)
    }
    attributes = {
        f"{path.relative_to(ROOT)} uses {node.attr}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE_ATTRIBUTES
    }
    hidden = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imports(path)
        if name.partition(".")[0] not in PACKAGES and "._" in name and not within(name, "__future__")
    }

    assert not of_tfx | attributes | hidden
    assert not violations(paths, *PRIVATE_MODULES)
    assert violations(modules("compat"), *PRIVATE_MODULES), "the check finds private names"


def test_features_import_nothing():
    assert not list(imports(ROOT / "models" / "features.py"))


def test_nothing_imports_the_command_line():
    paths = [path for path in modules(*PACKAGES) if path.parent != ROOT / "pipeline" / "cli"]

    assert not violations(paths, "pipeline.cli")


def test_what_benchmarks_import_of_the_packages_exists():
    """No type checker and no test runs them."""
    missing = []
    for path in modules("benchmarks"):
        for name in imports(path):
            *package, member = name.split(".")
            module = ROOT.joinpath(*package).with_suffix(".py")
            if package and package[0] in PACKAGES and module.is_file():
                known = re.findall(
                    r"^(?:class|def|async def) (\w+)|^(\w+)\b.*? = |\bimport (.*)", module.read_text(), re.M
                )
                words = {word for found in known for part in found for word in re.findall(r"\w+", part)}
                missing += [f"{path.name}: {name}"] if member not in words else []
    assert missing == []


def test_the_packages_import_neither_tests_nor_benchmarks():
    assert not violations(modules(*PACKAGES), "tests", "benchmarks", "notebooks")


def test_only_the_configuration_reads_the_environment():
    readers = {
        str(path.relative_to(ROOT))
        for path in modules(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and {"environ", "getenv"} & names(node))
    }

    assert readers <= {"pipeline/config.py"}


def names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


def test_the_project_lists_every_package():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {path.parent for path in modules(*PACKAGES) if path.name == "__init__.py"}
    present = {".".join(folder.relative_to(ROOT).parts) for folder in folders}

    assert set(listed) == present


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_package_registry():
    hosts = re.compile(rb"(?i)pypi\.org|pythonhosted\.org|anaconda\.org|registry\.npmjs|--(extra-)?index-url")

    named = [str(path.relative_to(ROOT)) for path in tracked_files() if hosts.search(path.read_bytes())]

    assert named == []


def locked(name: str) -> dict[str, str]:
    """Package → its entry in a file in requirements/, with hashes."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    entries = re.findall(r"^([a-zA-Z0-9._-]+)==((?:.*\\\n)*.*\n)", text, flags=re.MULTILINE)
    assert entries
    return dict(entries)


@pytest.mark.parametrize(
    "name", ["bot.txt", "build.txt", "data.txt", "fuzz.txt", "py310.txt", "py311plus.txt", "uv.txt"]
)
def test_every_locked_package_has_a_hash(name):
    assert [package for package, entry in locked(name).items() if "--hash=sha256:" not in entry] == []


def test_the_bots_lock_has_no_tensorflow():
    packages = {package.replace("-", "_") for package in locked("bot.txt")}

    assert not packages & TENSORFLOW
    assert {"ai_edge_litert", "python_telegram_bot"} <= packages


def test_help_is_fast_and_without_tensorflow():
    command = [sys.executable, "-X", "importtime", "-c", "from pipeline.cli import main; main()", "--help"]

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    imported = {line.rsplit("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    assert "typer" in imported
    assert not imported & (TENSORFLOW | {"cv2", "httpx", "numpy", "telegram"})
    # Processor time, which depends little on other work on the machine.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5
