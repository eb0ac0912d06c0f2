"""What the Trainer hands on: one SavedModel with two endpoints, its LiteRT twin, and a card that says what it is."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from models.export.layout import CARD_FILE, MODEL_CHECKSUM, MODEL_FILE
from models.features import IMAGE_KEY, RAW_SIZE
from models.preprocessing import preprocess_images


class ConversionError(RuntimeError):
    """The SavedModel could not be converted to LiteRT."""


def export_model(
    model: keras.Model,
    transform_output: tft.TFTransformOutput,
    card: dict[str, Any],
    converter: LitertConverter,
    path: str,
) -> None:
    """Writes the SavedModel, `assets.extra/model.tflite` and `assets.extra/card.json` to `path` (local or gs://).

    Args:
        model: float32 [N, 32, 32, 1] to logits float32 [N, 10].
        transform_output: the transform graph that serialised tf.Examples go through.
        card: what is known of the model, JSON-serialisable; the flatbuffer's SHA-256 is added to it.
        converter: not used yet.
        path: folder to make.

    Raises:
        ConversionError: LiteRT's converter failed.
    """
    with tempfile.TemporaryDirectory() as work:
        saved_model, flatbuffer = os.path.join(work, "saved_model"), os.path.join(work, "model.tflite")
        write_saved_model(model, transform_output, saved_model)
        converter.convert(saved_model, flatbuffer)
        card = {**card, MODEL_CHECKSUM: hashlib.sha256(Path(flatbuffer).read_bytes()).hexdigest()}
        io_utils.copy_dir(saved_model, path)
        fileio.makedirs(os.path.dirname(os.path.join(path, CARD_FILE)))
        io_utils.copy_file(flatbuffer, os.path.join(path, MODEL_FILE), overwrite=True)
        io_utils.write_string_file(os.path.join(path, CARD_FILE), json.dumps(card, indent=2, ensure_ascii=False) + "\n")


def write_saved_model(model: keras.Model, transform_output: tft.TFTransformOutput, path: str) -> None:
    """Writes the SavedModel with two endpoints that answer {"probabilities": float32 [N, 10], "class": int64 [N]}.

    `serving_default` takes serialised tf.Examples, string [N]; `serving_images` takes uint8 [N, 28, 28, 1]. It goes
    through ExportArchive because LiteRT's converter loses the weights of SavedModels written in other ways.
    """
    answer = _answer_with(model)
    transform = transform_output.transform_features_layer()
    feature_spec = {IMAGE_KEY: transform_output.raw_feature_spec()[IMAGE_KEY]}

    @tf.autograph.experimental.do_not_convert
    def serve_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_example(examples, feature_spec)
        return answer(transform(features)[IMAGE_KEY])

    @tf.autograph.experimental.do_not_convert
    def serve_images(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer(preprocess_images(images))

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default", serve_examples, input_signature=[tf.TensorSpec([None], tf.string, name="examples")]
    )
    archive.add_endpoint(
        "serving_images",
        serve_images,
        input_signature=[tf.TensorSpec([None, RAW_SIZE, RAW_SIZE, 1], tf.uint8, name="images")],
    )
    archive.write_out(path, verbose=False)


def _answer_with(model: keras.Model) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """The one function behind both endpoints: network input to answer. Softmax is applied here and nowhere else."""

    def answer(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.nn.softmax(model(inputs, training=False))
        return {"probabilities": probabilities, "class": tf.argmax(probabilities, axis=-1)}

    return answer


class LitertConverter:
    """LiteRT's converter in a process of its own, because a failing converter can end its process.

    The process starts when the object is made and loads TensorFlow while others work; leaving the context ends it.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "models.export.litert"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> LitertConverter:
        """The converter itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process, converted or not."""
        self._process.kill()
        self._process.communicate()

    def convert(self, saved_model: str, flatbuffer: str) -> None:
        """Converts the `serving_images` endpoint of a SavedModel, once.

        Raises:
            ConversionError: with the last line the converter said.
        """
        _, said = self._process.communicate(f"{saved_model}\n{flatbuffer}\n")
        if self._process.returncode or not os.path.exists(flatbuffer):
            last = (said.strip() or "nothing").splitlines()[-1]
            raise ConversionError(f"LiteRT's converter ended with status {self._process.returncode}; it said: {last}")


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """The temperature T that makes softmax(logits / T) best calibrated: least negative log-likelihood.

    Temperature scaling of Guo et al., On Calibration of Modern Neural Networks (2017), section 4.2.

    Args:
        logits: float32 [N, 10] on examples the model was not trained on.
        labels: int64 [N].
    """

    def loss(temperature: float) -> float:
        log_probabilities = tf.nn.log_softmax(logits / temperature).numpy()
        return float(-log_probabilities[np.arange(len(labels)), labels].mean())

    candidates = np.geomspace(0.25, 4.0, 161)
    return float(candidates[int(np.argmin([loss(t) for t in candidates]))])


def git_revision() -> str:
    """The commit this source tree stands at, with `-dirty` when it was edited.

    In the image, which holds no checkout, the file REVISION says it (Dockerfile); elsewhere outside a checkout it is
    "unknown".
    """
    folder = Path(__file__).parents[1]
    noted = folder / "REVISION"
    if noted.exists():
        return noted.read_text(encoding="utf-8").strip()
    tracked = ["git", "-C", str(folder), "ls-files", "--error-unmatch", "features.py"]
    describe = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        subprocess.run(tracked, check=True, capture_output=True)
        return subprocess.run(describe, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
