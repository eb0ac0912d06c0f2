"""Every command without the packages of an extra: a one-line error that names the extra."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import app

ROOT = Path(__file__).parents[4]
PACKAGES = ("compat", "components", "models", "pipeline", "serving_bot", "workers")
INSTALLED_ALWAYS = {"click", "rich", "typer"}

BLOCKER = """
import os, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if {name, name.partition(".")[0]} & set(os.environ["BLOCKED"].split()):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""

COMMANDS = {
    "data": ("pipeline", []),
    "run": ("pipeline", []),
    "compare": ("pipeline", []),
    "report": ("pipeline", []),
    "lineage": ("pipeline", ["1"]),
    "tensorboard": ("pipeline", []),
    "runs": ("pipeline", ["list"]),
    "predict": ("bot", ["picture.png"]),
    "evaluate-photos": ("bot", ["photos"]),
    "models": ("bot", ["list"]),
    "bot": ("bot", []),
    "serve": ("bot", []),
    "export": ("bot", ["page", "folder"]),
    "feedback": ("bot", ["list"]),
    "retrain": ("pipeline", []),
    "vertex": ("pipeline", ["compile", "--image", "image"]),
}


def third_party() -> set[str]:
    """Third-party modules that the project's packages import, except those always installed."""
    found = set()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - set(PACKAGES) - INSTALLED_ALWAYS


@pytest.fixture
def digits_without(tmp_path):
    """Calls `digits` without some modules, also in the processes it starts."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)

    def digits_without(modules, *arguments):
        environment = {
            **os.environ,
            "BLOCKED": " ".join(modules),
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
            "TELEGRAM_BOT_TOKEN": "1:token",
        }
        command = [sys.executable, "-m", "pipeline.cli", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return digits_without


def assert_sentence(done, extra, module=r"[\w.]+"):
    sentence = (
        rf"Error: This needs {module}, which is not installed\. In the project's folder: pip install '\.\[{extra}\]'"
    )
    assert re.fullmatch(sentence, done.stderr.strip()), done.stderr
    assert done.returncode == 1


def test_every_command_is_tried():
    names = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}

    assert names | {group.name for group in app.registered_groups} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_without_extras(digits_without, tmp_path, command):
    extra, arguments = COMMANDS[command]
    (tmp_path / "photos" / "7").mkdir(parents=True)
    (tmp_path / "photos" / "7" / "a.png").touch()

    assert_sentence(digits_without(third_party(), command, *arguments), extra)


@pytest.mark.parametrize("command", ["run", "compare", "report", "data", "vertex"])
def test_with_only_the_bots_extra(digits_without, command):
    """Modules that only a later process would import are reported at the start."""
    arguments = ["--report", "page.html"] if command == "data" else COMMANDS[command][1]
    missing = {"tfx", "tensorflow", "keras", "apache_beam", "tensorflow_data_validation"}

    assert_sentence(digits_without(missing, command, *arguments), "pipeline")


def test_vertex_names_its_own_extra(digits_without):
    for module in ("kfp", "google.cloud.aiplatform"):
        assert_sentence(digits_without({module}, "vertex", "status", "job"), "vertex", re.escape(module))


def test_a_missing_module_of_the_project_is_a_bug(digits_without):
    done = digits_without({"serving_bot"}, "models", "list")

    assert "ModuleNotFoundError: No module named 'serving_bot" in done.stderr
    assert done.returncode == 1
