"""The Evaluator's figures as one TFMA metric, computed in a single pass over the examples.

With five metrics TFMA would pass every example to each, in Python and once per slice, and first compile the two from
Keras; that took longer than everything else in the Evaluator (docs/adr/0004).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma

from compat.tfma import CONFUSION_MATRIX, MultiClassConfusionMatrixAtThresholds
from models.features import IMAGE_KEY, NUM_CLASSES

# Keras' name if Keras has the metric, else TFMA's.
ACCURACY = "sparse_categorical_accuracy"
LOSS = "sparse_categorical_crossentropy"
CALIBRATION_ERROR = "expected_calibration_error"
EXAMPLE_COUNT = "example_count"
MISREAD = "misread"

BINS = 15
MOST_MISREAD = 10_000
"""Number of misclassified examples kept, as many as MNIST's test split has, so memory does not grow with the data."""
_LEAST_PROBABILITY = 1e-7  # clipped as in Keras, so a single answer cannot make the loss infinite


class DigitMetrics(tfma.metrics.Metric):  # type: ignore[misc]
    """Accuracy, loss, calibration, confusion matrix, number of examples, and misclassified examples.

    Thresholds on this metric apply to the accuracy. For each model and slice it yields:

    * `sparse_categorical_accuracy`: share of right answers.
    * `sparse_categorical_crossentropy`: mean cross-entropy in nats.
    * `expected_calibration_error`: mean gap between confidence and accuracy, over 15 equal bins of the largest
      probability. Guo et al., On Calibration of Modern Neural Networks (2017), equation 3.
    * `example_count`: number of examples.
    * `multi_class_confusion_matrix_plot`: counts for each true and predicted digit, in the form that TFMA's viewer
      draws.
    * `misread`: JSON, a list of [digest of the PNG bytes, label, predicted digit, its probability] by digest. Of more
      than MOST_MISREAD it keeps those with the lowest digests, so any two models keep the same pictures.
    """

    def __init__(self, name: str = ACCURACY):
        super().__init__(_computations, name=name)


@dataclass
class Totals:
    """Counts over examples."""

    # int64 [10, 10], examples by true digit (row) and predicted digit (column)
    confusion: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64))
    # float64 [15, 3], count, sum of confidences and number of right answers in each confidence bin
    bins: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((BINS, 3)))
    loss: float = 0.0  # sum of the cross-entropies, in nats
    # digest, label, predicted digit and its probability for each wrong answer, unordered; of very many, at least the
    # MOST_MISREAD with the lowest digests
    misread: list[tuple[str, int, int, float]] = field(default_factory=list)

    def add(self, image: bytes, label: int, probabilities: npt.NDArray[np.float32]) -> None:
        """Counts one example: its PNG bytes, its label and the model's probabilities, float32 [10]."""
        predicted = int(probabilities.argmax())
        confidence = float(probabilities[predicted])
        self.confusion[label, predicted] += 1
        self.bins[min(int(confidence * BINS), BINS - 1)] += (1, confidence, predicted == label)
        self.loss -= math.log(max(float(probabilities[label]), _LEAST_PROBABILITY))
        if predicted != label:
            self.misread.append((image_digest(image), label, predicted, confidence))
            self._forget()

    def merge(self, other: Totals) -> None:
        """Adds another's counts."""
        self.confusion += other.confusion
        self.bins += other.bins
        self.loss += other.loss
        self.misread += other.misread
        self._forget()

    def _forget(self) -> None:
        if len(self.misread) > 2 * MOST_MISREAD:  # rarely, because sorting is slow
            self.misread = self.lowest_misread()

    def lowest_misread(self) -> list[tuple[str, int, int, float]]:
        """The misclassified examples to keep, by digest."""
        return sorted(self.misread)[:MOST_MISREAD]

    @property
    def examples(self) -> int:
        """Number of examples counted."""
        return int(self.confusion.sum())

    def calibration_error(self) -> float:
        """The mean gap between confidence and accuracy, weighted by the bins' counts; NaN without examples."""
        _, confidence, right = self.bins.T
        return float(np.abs(confidence - right).sum() / self.examples) if self.examples else math.nan


def image_digest(image: bytes) -> str:
    """Identifies a picture by its PNG bytes: 64 bits of BLAKE2b, in hexadecimal."""
    return hashlib.blake2b(image, digest_size=8).hexdigest()


def _computations(eval_config: tfma.EvalConfig, model_names: list[str] | None = None, **_: Any) -> list[Any]:
    prediction_keys = {spec.name: spec.prediction_key for spec in eval_config.model_specs}
    return [
        tfma.metrics.MetricComputation(
            keys=[*_metric_keys(model), _plot_key(model)],
            preprocessors=[_ReadExample(model, prediction_keys[model])],
            combiner=_Combiner(model),
        )
        for model in model_names or [""]
    ]


def _metric_keys(model: str) -> list[Any]:
    names = (ACCURACY, LOSS, CALIBRATION_ERROR, EXAMPLE_COUNT, MISREAD)
    return [tfma.metrics.MetricKey(name=name, model_name=model) for name in names]


def _plot_key(model: str) -> Any:
    return tfma.metrics.PlotKey(name=CONFUSION_MATRIX, model_name=model)


class _ReadExample(tfma.metrics.Preprocessor):  # type: ignore[misc]
    """Gets picture, label and one model's probabilities from TFMA's extracts."""

    def __init__(self, model: str, prediction_key: str):
        super().__init__(name=f"digit_example_{model}")
        self._model, self._prediction_key = model, prediction_key

    def process(self, extracts: dict[str, Any]) -> Iterator[tuple[bytes, int, npt.NDArray[np.float32]]]:
        label, predictions = extracts[tfma.LABELS_KEY], extracts[tfma.PREDICTIONS_KEY]
        if self._model:  # with several models, TFMA keys both by model name
            label, predictions = label[self._model], predictions[self._model]
        if isinstance(predictions, Mapping):  # the answer also has the class
            predictions = predictions[self._prediction_key]
        yield extracts[tfma.FEATURES_KEY][IMAGE_KEY].item(), int(label.item()), predictions


class _Combiner(beam.CombineFn):  # type: ignore[misc]
    """Sums over examples."""

    def __init__(self, model: str):
        self._model = model

    def create_accumulator(self) -> Totals:
        return Totals()

    def add_input(self, totals: Totals, example: tuple[bytes, int, npt.NDArray[np.float32]]) -> Totals:
        totals.add(*example)
        return totals

    def merge_accumulators(self, accumulators: Iterable[Totals]) -> Totals:
        merged = Totals()
        for totals in accumulators:
            merged.merge(totals)
        return merged

    def extract_output(self, totals: Totals) -> dict[Any, Any]:
        examples = totals.examples
        right = int(totals.confusion.trace())
        values = (
            right / examples if examples else math.nan,
            totals.loss / examples if examples else math.nan,
            totals.calibration_error(),
            float(examples),
            json.dumps(totals.lowest_misread()).encode(),
        )
        return {
            **dict(zip(_metric_keys(self._model), values, strict=True)),
            _plot_key(self._model): _confusion_matrix_plot(totals.confusion),
        }


def _confusion_matrix_plot(confusion: npt.NDArray[np.int64]) -> Any:
    plot = MultiClassConfusionMatrixAtThresholds()
    matrix = plot.matrices.add(threshold=0.0)
    for label, predicted in np.argwhere(confusion):
        matrix.entries.add(
            actual_class_id=int(label),
            predicted_class_id=int(predicted),
            num_weighted_examples=float(confusion[label, predicted]),
        )
    return plot
