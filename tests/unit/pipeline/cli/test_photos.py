"""`digits predict` and `digits evaluate-photos`, on a model that was exported and pushed here."""

import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from PIL import Image
from typer.testing import CliRunner

from benchmarks import paper
from models.export.saved_model import LitertConverter, write_saved_model
from models.preprocessing import preprocessing_fn
from models.registry import ARCHITECTURES
from pipeline.cli import app

Images = npt.NDArray[np.uint8]


class TransformGraph:
    """Stands in for tft.TFTransformOutput, as in tests/unit/models/test_export.py."""

    def raw_feature_spec(self) -> dict[str, tf.io.FixedLenFeature]:
        return {"image": tf.io.FixedLenFeature([1], tf.string), "label": tf.io.FixedLenFeature([1], tf.int64)}

    def transform_features_layer(self):
        return preprocessing_fn


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A push folder with one version: MyModel with its weights as they were drawn."""
    folder = tmp_path_factory.mktemp("serving_model")
    version = folder / "1763800000"
    write_saved_model(ARCHITECTURES["my_model"].build(), TransformGraph(), str(version))
    (version / "assets.extra").mkdir()
    with LitertConverter() as converter:
        converter.convert(str(version), str(version / "assets.extra" / "model.tflite"))
    (version / "assets.extra" / "card.json").write_text(json.dumps({"model": "my_model", "temperature": 1.0}))
    return folder


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


def test_empty_folder(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(app, ["evaluate-photos", str(tmp_path)])
    assert result.exit_code == 1
    assert "<digit>/<file>" in result.stderr


def test_predict(runner: CliRunner, pushed: Path, tmp_path: Path, some_test_images: tuple[Images, Images]) -> None:
    picture, damaged, out = tmp_path / "seven.png", tmp_path / "damaged.jpg", tmp_path / "out.png"
    picture.write_bytes(paper.canvas(some_test_images[0][0]))
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


def test_evaluate_photos(
    runner: CliRunner, pushed: Path, tmp_path: Path, some_test_images: tuple[Images, Images]
) -> None:
    images, labels = some_test_images
    for index in range(6):
        folder = tmp_path / "photos" / "canvas" / str(labels[index])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.png").write_bytes(paper.canvas(images[index]))
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
    assert "pictures read right" in page.read_text(encoding="utf-8")
    result = runner.invoke(app, ["evaluate-photos", str(tmp_path / "photos"), *options])
    assert "of 6 pictures read right" in result.stdout
