"""`digits predict`, and what it shares with `digits evaluate-photos`."""

import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from tiny_model import push
from typer.testing import CliRunner
from worker_stand_in import replace_workers

from models.export.layout import CARD_FILE, MODEL_CHECKSUM
from models.synthesis import pages
from pipeline.cli import app

Images = npt.NDArray[np.uint8]


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    """A push folder with one version."""
    return push(tmp_path / "serving_model", 1763800000).parent


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.mark.parametrize("command", [["predict", "x.png"], ["evaluate-photos", "."]])
def test_no_model_pushed(runner: CliRunner, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "a.png").write_bytes(b"")
    if command[0] == "evaluate-photos":
        command = ["evaluate-photos", str(tmp_path)]
    result = runner.invoke(app, [*command, "--push-dir", str(tmp_path / "absent")])
    assert result.exit_code == 1
    assert "No model has been pushed" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_no_files_is_wrong_usage(runner: CliRunner) -> None:
    assert runner.invoke(app, ["predict"]).exit_code == 2


def test_one_annotated_picture_for_one_file(runner: CliRunner) -> None:
    result = runner.invoke(app, ["predict", "a.png", "b.png", "--save-annotated", "out.png"])
    assert result.exit_code == 2


def test_predict(runner: CliRunner, pushed: Path, tmp_path: Path, some_test_images: tuple[Images, Images]) -> None:
    picture, damaged, out = tmp_path / "seven.png", tmp_path / "damaged.jpg", tmp_path / "out.png"
    picture.write_bytes(pages.canvas(some_test_images[0][0]))
    damaged.write_bytes(b"damaged")
    options = ["--push-dir", str(pushed)]
    result = runner.invoke(app, ["predict", str(picture), "--save-annotated", str(out), *options])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{picture}: ")
    assert Image.open(io.BytesIO(out.read_bytes())).format == "PNG"
    result = runner.invoke(
        app, ["predict", str(damaged), str(picture), str(tmp_path / "absent.png"), "--json", *options]
    )
    assert result.exit_code == 1
    (answer,) = json.loads(result.stdout)
    assert answer["file"] == str(picture)
    assert len(answer["digits"]) == 1
    assert "damaged.jpg: This is not a JPEG" in result.stderr
    assert "absent.png: No such file" in result.stderr


@pytest.mark.parametrize("command", ["predict", "evaluate-photos"])
def test_a_flatbuffer_of_unknown_origin_is_tried_in_a_separate_process(
    runner: CliRunner, pushed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "photos" / "7").mkdir(parents=True)
    picture = tmp_path / "photos" / "7" / "seven.png"
    picture.write_bytes(pages.canvas(np.zeros((28, 28), np.uint8)))
    path = pushed / "1763800000" / CARD_FILE
    card = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in card.items() if name != MODEL_CHECKSUM}))
    replace_workers(monkeypatch, tmp_path, "os.abort()")

    arguments = [str(picture) if command == "predict" else str(tmp_path / "photos"), "--push-dir", str(pushed)]
    result = runner.invoke(app, [command, *arguments])

    assert result.exit_code == 1
    assert "1763800000: loading it failed: its process ended with signal 6 (SIGABRT)" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_unusable_pin_is_reported(
    runner: CliRunner, pushed: Path, tmp_path: Path, some_test_images: tuple[Images, Images]
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "1763800000").symlink_to(pushed / "1763800000")
    (tmp_path / "models" / "pin").write_text("7")
    (tmp_path / "seven.png").write_bytes(pages.canvas(some_test_images[0][0]))
    result = runner.invoke(app, ["predict", str(tmp_path / "seven.png"), "--push-dir", str(tmp_path / "models")])
    assert result.exit_code == 0, result.output
    assert "asks for version 7, which is missing or incomplete" in result.stderr
