"""ServingCheck: loads an export exactly as the bot does, reads pictures with it, and gives TFX's infra blessing."""

import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from absl import logging
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import Artifact, standard_artifacts

from compat.tfx import io_utils, path_utils
from components.examples import FEATURES, open_split
from components.judging import Judgement, Picture, judge, judge_export, make_pictures
from models.features import IMAGE_KEY, LABEL_KEY
from models.preprocessing import decode_images
from serving_bot.reading.classifier import BrokenModelError, Classifier
from serving_bot.versions.folder import Version
from serving_bot.versions.hot_swap import check_version
from workers import ask

_MINIMA = ("min_pages_accuracy", "min_refusal")
_KEPT = 24  # number of wrongly answered pictures to keep
TOLERANCE = 1e-3  # largest allowed difference between LiteRT's and the SavedModel's probabilities


@component
def ServingCheck(  # noqa: N802
    model: InputArtifact[standard_artifacts.Model],
    examples: InputArtifact[standard_artifacts.Examples],
    blessing: OutputArtifact[standard_artifacts.InfraBlessing],
    images: Parameter[int] = 500,
    thresholds: Parameter[str] = "{}",
    baseline: InputArtifact[standard_artifacts.Model] = None,
) -> None:
    """Sends test images through the bot's classifier and through both SavedModel endpoints.

    Blesses the export if all classes are equal, all probabilities agree within 1e-3, the bot's own check (which reads
    the canary digits) passes, and it reads synthetic pictures well enough (components/judging.py). The blessing's
    `report.json` records the number of images, largest difference, latency of one image, the problem, if any, the
    figures on synthetic pictures and the thresholds they miss. The wrongly answered pictures are in `pictures/` beside
    it, named by kind, label and answer.

    Args:
        model: the Trainer's export.
        examples: the first `images` of the split `test` are sent, and pages composed of those of `eval`.
        blessing: gets the custom property `blessed`, 1 or 0, as from TFX's InfraValidator.
        images: number of images to send.
        thresholds: JSON with `min_pages_accuracy`, `min_refusal` and `max_pictures_drop` (pipeline/config.py). If the
            first two are 0, the pictures are skipped, which saves some seconds; without thresholds they are read and
            only measured.
        baseline: the model to compare with on the same pictures; None without one.
    """
    export = path_utils.serving_model_path(model.uri)
    report = check_export(export, _read(examples, "test", images))
    fileio.makedirs(blessing.uri)
    report["misses"] = []
    demanded = json.loads(thresholds)
    if report["problem"] is None and (not demanded or any(demanded.get(name) for name in _MINIMA)):
        digits, labels = _decode(_read(examples, "eval", images))
        compared = baseline if demanded.get("max_pictures_drop", 1.0) < 1 else None
        judgement, before = _judge(export, compared, list(make_pictures(digits[..., 0], labels)))
        report |= {
            "pages_accuracy": judgement.pages_accuracy,
            "pages_wrong": judgement.pages_wrong,
            "refusal": judgement.refusal,
            "by_kind": judgement.by_kind(),
            "misses": judgement.misses(demanded, before),
        }
        if before is not None:
            report |= {"baseline_pages_accuracy": before.pages_accuracy, "baseline_refusal": before.refusal}
        _keep_wrong(judgement, os.path.join(blessing.uri, "pictures"))
    io_utils.write_string_file(os.path.join(blessing.uri, "report.json"), json.dumps(report, indent=2) + "\n")
    blessed = report["problem"] is None and not report["misses"]
    io_utils.write_string_file(os.path.join(blessing.uri, "INFRA_BLESSED" if blessed else "INFRA_NOT_BLESSED"), "")
    blessing.set_int_custom_property("blessed", int(blessed))
    logging.info("ServingCheck: %s", report)


def _judge(export: str, baseline: Artifact | None, pictures: list[Picture]) -> tuple[Judgement, Judgement | None]:
    """The model's answers, and the baseline's: None without one, or if it cannot be loaded.

    The baseline is judged at the same time, in a separate process.
    """
    if baseline is None:
        return judge(Classifier.load(export), pictures), None
    older = path_utils.serving_model_path(baseline.uri)
    with ThreadPoolExecutor(1) as pool:
        before = pool.submit(
            ask,
            f"{judge_export.__module__}:{judge_export.__name__}",
            *(older, pictures),
            error=BrokenModelError,
            failure="Judging it failed",
        )
        judgement = judge(Classifier.load(export), pictures)
        try:
            return judgement, before.result()
        except (BrokenModelError, OSError) as error:
            logging.warning("The baseline is not compared on pictures: %s", error)
            return judgement, None


def _read(examples: Artifact, split: str, count: int) -> list[bytes]:
    """The first tf.Examples of a split."""
    return list(open_split(examples, split).take(count).as_numpy_iterator())


def _decode(serialised: list[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images uint8 [N, 28, 28, 1] and labels int64 [N] of tf.Examples."""
    parsed = tf.io.parse_example(tf.constant(serialised), FEATURES)
    return decode_images(parsed[IMAGE_KEY]).numpy(), parsed[LABEL_KEY].numpy()


def _keep_wrong(judgement: Judgement, folder: str) -> None:
    """Writes the first pictures with a confident wrong answer, and the first that were not read."""
    wrong = [one for one in judgement.pictures if not one.right]
    fileio.makedirs(folder)
    for number, one in enumerate(sorted(wrong, key=lambda one: not one.sure)[:_KEPT], 1):
        suffix = "png" if one.data.startswith(b"\x89PNG") else "jpg"
        answer = f"{'' if one.sure else 'doubtful-'}{one.text.replace(chr(10), '_') or 'none'}"
        name = f"{number:02d} {one.kind} {one.label or 'none'} {answer}.{suffix}"
        with fileio.open(os.path.join(folder, name), "wb") as file:
            file.write(one.data)


def check_export(export: str, serialised: list[bytes]) -> dict[str, object]:
    """Compares an export's three endpoints, and applies the bot's check of a pushed version.

    Args:
        export: SavedModel folder with `assets.extra`.
        serialised: tf.Examples.

    Returns:
        `images`, `largest_difference`, `litert_latency_ms` (median of one image), and `problem` (None if there is
        none).
    """
    report: dict[str, object] = {
        "images": len(serialised),
        "largest_difference": None,
        "litert_latency_ms": None,
        "problem": None,
    }
    images, _ = _decode(serialised)
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
        report["problem"] = f"the export cannot be loaded or run: {error}"
        return report
    litert = np.stack(rows)
    report["litert_latency_ms"] = round(statistics.median(seconds) * 1000, 3)
    differences = {name: np.abs(litert - answer["probabilities"]).max() for name, answer in answers.items()}
    report["largest_difference"] = float(max(differences.values()))
    for name, answer in answers.items():
        unequal = int((litert.argmax(axis=1) != answer["class"].numpy()).sum())
        # (written so that a NaN also fails)
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
