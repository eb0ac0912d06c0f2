import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tiny_model import push
from typer.testing import CliRunner

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


def test_empty_folder(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(app, ["evaluate-photos", str(tmp_path)])
    assert result.exit_code == 1
    assert "<digit>/<file>" in result.stderr


def test_evaluate_photos(
    runner: CliRunner, pushed: Path, tmp_path: Path, some_test_images: tuple[Images, Images]
) -> None:
    images, labels = some_test_images
    for index in range(6):
        folder = tmp_path / "photos" / "canvas" / str(labels[index])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.png").write_bytes(pages.canvas(images[index]))
    page = tmp_path / "report.html"
    options = ["--push-dir", str(pushed)]
    result = runner.invoke(
        app, ["evaluate-photos", str(tmp_path / "photos"), "--json", "--report", str(page), *options]
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["pictures"] == 6
    assert summary["accuracy"] == summary["right"] / 6
    assert set(summary["per_kind"]) == {"canvas"}
    assert "% read right" in page.read_text(encoding="utf-8")
    result = runner.invoke(app, ["evaluate-photos", str(tmp_path / "photos"), *options])
    assert "read right (pictures: 6)" in result.stdout
