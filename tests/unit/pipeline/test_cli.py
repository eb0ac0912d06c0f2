import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app

KINDS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
MNIST = tuple(f"{kind}-ubyte.gz" for kind in KINDS)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIGITS_DATA", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "environment", "folder"),
    [
        ([], {}, "runs/data"),
        ([], {"DIGITS_DATA": "from_environment"}, "from_environment"),
        (["--dest", "from_option"], {"DIGITS_DATA": "from_environment"}, "from_option"),
    ],
)
def test_data_fills_the_folder_of_option_environment_or_default(here, options, environment, folder):
    done = CliRunner().invoke(app, ["data", "--source", "bundled", *options], env=environment)

    assert done.exit_code == 0, done.output
    assert json.loads((here / folder / "source.json").read_text())["source"] == "bundled"
    assert all((here / folder / name).is_file() for name in MNIST)
    assert sorted(path.name for path in here.iterdir()) == [folder.split("/", maxsplit=1)[0]]


def test_data_says_a_failure_in_one_sentence(here):
    (here / MNIST[0]).write_bytes(b"my own")

    done = CliRunner().invoke(app, ["data", "--dest", "."])

    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {MNIST[0]} was not made by `digits data`")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_data_refuses_an_unknown_source(here):
    done = CliRunner().invoke(app, ["data", "--source", "nowhere"])

    assert done.exit_code == 2
    assert list(here.iterdir()) == []
