"""Expected calibration error as a TFMA metric.

TFMA's own calibration plot is binary: over ten classes it looks at every example ten times.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_util

NAME = "expected_calibration_error"
BINS = 15

Bins = npt.NDArray[np.float64]
"""float64 [15, 3]: count, sum of confidences and number of right answers in each bin of confidence."""


class ExpectedCalibrationError(tfma.metrics.Metric):  # type: ignore[misc]
    """How far confidence lies from accuracy, on average: 15 equal bins of the largest probability.

    Guo et al., On Calibration of Modern Neural Networks (2017), equation 3. 0 is perfect, shares of 1.
    """

    def __init__(self, name: str = NAME):
        super().__init__(_computations, name=name)


def _computations(
    name: str = NAME,
    eval_config: tfma.EvalConfig | None = None,
    model_names: list[str] | None = None,
    output_names: list[str] | None = None,
    **_: Any,
) -> list[Any]:
    return [
        tfma.metrics.MetricComputation(
            keys=[key := tfma.metrics.MetricKey(name=name, model_name=model, output_name=output)],
            preprocessors=None,
            combiner=_Combiner(key, eval_config),
        )
        for model in model_names or [""]
        for output in output_names or [""]
    ]


class _Combiner(beam.CombineFn):  # type: ignore[misc]
    """Counts examples into bins."""

    def __init__(self, key: Any, eval_config: tfma.EvalConfig | None):
        self._key, self._eval_config = key, eval_config

    def create_accumulator(self) -> Bins:
        return np.zeros((BINS, 3))

    def add_input(self, accumulator: Bins, element: Any) -> Bins:
        examples = metric_util.to_label_prediction_example_weight(
            element,
            eval_config=self._eval_config,
            model_name=self._key.model_name,
            output_name=self._key.output_name,
            flatten=False,
            example_weighted=False,
        )
        for label, probabilities, _ in examples:
            add_example(accumulator, probabilities.ravel(), int(label.item()))
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Bins]) -> Bins:
        return sum(accumulators, self.create_accumulator())

    def extract_output(self, accumulator: Bins) -> dict[Any, float]:
        return {self._key: calibration_error(accumulator)}


def add_example(bins: Bins, probabilities: npt.NDArray[np.float32], label: int) -> None:
    """Counts one example, probabilities float32 [10], into its bin."""
    predicted = int(probabilities.argmax())
    confidence = float(probabilities[predicted])
    bins[min(int(confidence * BINS), BINS - 1)] += (1, confidence, predicted == label)


def calibration_error(bins: Bins) -> float:
    """The mean gap between confidence and accuracy, weighted by the bins' counts; NaN where there are no examples."""
    count, confidence, right = bins.T
    total = count.sum()
    return float(np.abs(confidence - right).sum() / total) if total else float("nan")
