"""The export: one SavedModel with two endpoints, its LiteRT flatbuffer, and its model card."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.dsl.io import fileio

from compat.tfx import io_utils
from models.export.layout import CARD_FILE, MODEL_CHECKSUM, MODEL_FILE
from models.export.litert import LitertConverter
from models.features import IMAGE_KEY, RAW_SIZE
from models.preprocessing import preprocess_images


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
        transform_output: the transform graph, applied to serialised tf.Examples.
        card: facts about the model, JSON-serialisable; the flatbuffer's SHA-256 is added.
        converter: not used yet.

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

    `serving_default` takes serialised tf.Examples, string [N]; `serving_images` takes uint8 [N, 28, 28, 1]. It uses
    ExportArchive because LiteRT's converter loses the weights of SavedModels written in other ways.
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
    """The function behind both endpoints: network input to answer. Softmax is applied only here."""

    def answer(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.nn.softmax(model(inputs, training=False))
        return {"probabilities": probabilities, "class": tf.argmax(probabilities, axis=-1)}

    return answer
