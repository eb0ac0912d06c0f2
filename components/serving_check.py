"""ServingCheck: loads an export exactly as the bot will and gives TFX's infra blessing."""

import json
import os
import statistics
import time

import numpy as np
import tensorflow as tf
from absl import logging
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts

from compat.tfx import artifact_utils, io_utils, path_utils
from models.features import IMAGE_KEY
from serving_bot.reading.classifier import BrokenModelError, Classifier
from serving_bot.versions.folder import Version
from serving_bot.versions.hot_swap import check_version

TOLERANCE = 1e-3  # how far LiteRT's probabilities may lie from the SavedModel's


@component
def ServingCheck(  # noqa: N802
    model: InputArtifact[standard_artifacts.Model],
    examples: InputArtifact[standard_artifacts.Examples],
    blessing: OutputArtifact[standard_artifacts.InfraBlessing],
    images: Parameter[int] = 500,
) -> None:
    """Sends test images through the bot's classifier and through both SavedModel endpoints.

    Blesses the export where all classes are equal, all probabilities agree within 1e-3, and the bot's own check lets
    it serve, which includes reading the canary digits. `report.json` of the blessing records what was found: images,
    largest difference, latency of one image, and the problem, if any.

    Args:
        model: the Trainer's export.
        examples: the examples, of which the first `images` of the split `test` are read.
        blessing: gets the custom property `blessed`, 1 or 0, as TFX's InfraValidator sets it.
        images: how many images to send.
    """
    export = path_utils.serving_model_path(model.uri)
    pattern = os.path.join(artifact_utils.get_split_uri([examples], "test"), "*")
    dataset = tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(pattern)), compression_type="GZIP").take(images)
    report = check_export(export, list(dataset.as_numpy_iterator()))
    fileio.makedirs(blessing.uri)
    io_utils.write_string_file(os.path.join(blessing.uri, "report.json"), json.dumps(report, indent=2) + "\n")
    blessed = report["problem"] is None
    io_utils.write_string_file(os.path.join(blessing.uri, "INFRA_BLESSED" if blessed else "INFRA_NOT_BLESSED"), "")
    blessing.set_int_custom_property("blessed", int(blessed))
    logging.info("ServingCheck: %s", report)


def check_export(export: str, serialised: list[bytes]) -> dict[str, object]:
    """Compares the three ways to ask an export, and lets the bot check it as it checks a pushed version.

    Args:
        export: SavedModel folder with `assets.extra`.
        serialised: tf.Examples.

    Returns:
        `images`, `largest_difference`, `litert_latency_ms` (median of one image), and `problem`, None if all is well.
    """
    report: dict[str, object] = {
        "images": len(serialised),
        "largest_difference": None,
        "litert_latency_ms": None,
        "problem": None,
    }
    feature = {IMAGE_KEY: tf.io.FixedLenFeature([], tf.string)}
    parsed = tf.io.parse_example(tf.constant(serialised), feature)[IMAGE_KEY]
    images = np.stack([tf.io.decode_png(png, channels=1).numpy() for png in parsed])
    try:
        classifier = Classifier.load(export)
        saved_model = tf.saved_model.load(export)
        answers = {
            "serving_default": saved_model.signatures["serving_default"](tf.constant(serialised)),
            "serving_images": saved_model.signatures["serving_images"](tf.constant(images)),
        }
        seconds = []
        rows = []
        for image in images[..., 0]:
            start = time.perf_counter()
            rows.append(classifier.predict(image[np.newaxis])[0])
            seconds.append(time.perf_counter() - start)
    except (BrokenModelError, OSError, KeyError, ValueError, RuntimeError, tf.errors.OpError) as error:
        report["problem"] = f"the export cannot be loaded or asked: {error}"
        return report
    litert = np.stack(rows)
    report["litert_latency_ms"] = round(statistics.median(seconds) * 1000, 3)
    differences = {name: np.abs(litert - answer["probabilities"]).max() for name, answer in answers.items()}
    report["largest_difference"] = float(max(differences.values()))
    for name, answer in answers.items():
        unequal = int((litert.argmax(axis=1) != answer["class"].numpy()).sum())
        # (a NaN is not within the tolerance either)
        if unequal or not differences[name] <= TOLERANCE:
            report["problem"] = (
                f"LiteRT and {name} disagree: {unequal} of {len(images)} classes differ, "
                f"probabilities by up to {differences[name]:.2g} (allowed {TOLERANCE})"
            )
    if report["problem"] is None:
        try:
            check_version(Version(0, export))  # (nothing is pushed yet, so it has no number)
        except BrokenModelError as error:
            report["problem"] = f"the bot would not serve the export: {error}"
    return report
