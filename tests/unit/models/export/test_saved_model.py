import hashlib
import json
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf

from models.export.calibration import fit_temperature
from models.export.card import git_revision
from models.export.litert import ConversionError, LitertConverter
from models.export.saved_model import export_model
from models.preprocessing import preprocess_images, preprocessing_fn
from models.registry import ARCHITECTURES
from serving_bot.reading.classifier import BrokenModelError, Classifier


class TransformGraph:
    """A stand-in for tft.TFTransformOutput: the same function without a graph on disk (tests/e2e uses the real one)."""

    def raw_feature_spec(self):
        return {"image": tf.io.FixedLenFeature([1], tf.string), "label": tf.io.FixedLenFeature([1], tf.int64)}

    def transform_features_layer(self):
        return preprocessing_fn


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def exported(request, tmp_path_factory):
    """An untrained model and its export."""
    folder = tmp_path_factory.mktemp(request.param) / "1"
    model = ARCHITECTURES[request.param].build()
    with LitertConverter() as converter:
        export_model(model, TransformGraph(), {"model": request.param}, converter, str(folder))
    return model, folder


def test_the_card_identifies_its_flatbuffer(exported, tmp_path):
    folder = shutil.copytree(exported[1], tmp_path / "copy")
    card = json.loads((folder / "assets.extra" / "card.json").read_text())
    flatbuffer = folder / "assets.extra" / "model.tflite"
    assert card == {"model": card["model"], "model_sha256": hashlib.sha256(flatbuffer.read_bytes()).hexdigest()}

    content = bytearray(flatbuffer.read_bytes())
    content[len(content) // 2] ^= 1  # one bit of a weight
    flatbuffer.write_bytes(content)
    with pytest.raises(BrokenModelError, match="do not belong together"):
        Classifier.load(str(folder))


def test_every_endpoint_gives_the_networks_answer(exported, some_test_images):
    model, folder = exported
    images = some_test_images[0][:20]
    expected = tf.nn.softmax(model(preprocess_images(images[..., None]))).numpy()
    signatures = tf.saved_model.load(str(folder)).signatures
    png = [tf.io.encode_png(image[..., None]).numpy() for image in images]
    examples = [
        tf.train.Example(
            features=tf.train.Features(feature={"image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))})
        ).SerializeToString()
        for data in png
    ]
    answers = {
        "serving_default": signatures["serving_default"](tf.constant(examples)),
        "serving_images": signatures["serving_images"](tf.constant(images[..., None])),
    }
    for name, answer in answers.items():
        assert set(answer) == {"probabilities", "class"}, name
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5, err_msg=name)
        np.testing.assert_array_equal(answer["class"], expected.argmax(axis=1), err_msg=name)
    np.testing.assert_allclose(Classifier.load(str(folder)).predict(images), expected, atol=1e-4)
    assert expected.std() > 1e-3, "the answers differ from image to image, so that agreement means something"


def test_a_failing_converter_is_an_error_with_its_last_output(tmp_path):
    with (
        LitertConverter() as converter,
        pytest.raises(ConversionError, match=r"its process ended with exit status 1: .*SavedModel"),
    ):
        converter.convert(str(tmp_path / "nothing"), str(tmp_path / "model.tflite"))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_undoes_a_scaling_of_the_logits(temperature):
    """With labels drawn from softmax(logits), the best temperature for logits * t is t."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 10)).astype(np.float32)
    cumulative = np.cumsum(tf.nn.softmax(logits).numpy(), axis=1)
    labels = (cumulative < rng.random((20_000, 1))).sum(axis=1).clip(0, 9)
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.06)


def test_the_revision_is_the_checkouts():
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert git_revision() in {head, f"{head}-dirty"}
