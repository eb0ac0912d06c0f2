"""Reads the Evaluator's output: figures for people and the pushed card, and why a model was not blessed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import tensorflow_model_analysis as tfma

from components.evaluation import metrics
from models.features import LABEL_KEY, NUM_CLASSES

_CANDIDATE, _BASELINE = "candidate", "baseline"  # the Evaluator's names; without a baseline the candidate has none
_METRICS = {
    "accuracy": metrics.ACCURACY,
    "loss": metrics.LOSS,
    "examples": metrics.EXAMPLE_COUNT,
    "calibration_error": metrics.CALIBRATION_ERROR,
}


@dataclass(frozen=True)
class Failure:
    """A missed threshold."""

    digit: int | None  # the digit it was missed on; None for all examples
    # the accuracy, or with `is_change` its difference from the baseline's; None if there are no examples
    value: float | None
    bound: float  # the required value
    is_change: bool  # whether the threshold is on the difference


@dataclass(frozen=True)
class Misread:
    """A misclassified example."""

    digest: str  # `metrics.image_digest` of its PNG bytes, identifies it among the examples
    label: int  # the true digit
    predicted: int  # the model's answer
    probability: float  # the answer's probability, 0 to 1


@dataclass(frozen=True)
class EvaluationResult:
    """An evaluation on the split `test`."""

    accuracy: float  # share of right answers
    loss: float  # mean cross-entropy in nats
    calibration_error: float  # expected calibration error, 0 to 1
    examples: int  # number of evaluated examples
    accuracy_by_digit: dict[int, float]  # accuracy on each digit that occurs
    confusion: tuple[tuple[int, ...], ...]  # counts: a row per true digit, a column per predicted digit
    wrong: int  # number of wrong answers
    # the misclassified examples by digest; of more than metrics.MOST_MISREAD, those with the lowest digests
    misread: tuple[Misread, ...]
    baseline_accuracy: float | None  # the baseline's accuracy on the same examples; None without a baseline
    blessed: bool  # whether there were thresholds and all were met
    failures: tuple[Failure, ...]  # the missed thresholds

    def figures(self) -> dict[str, Any]:
        """Everything except the misclassified examples (which may be most of them), as plain values."""
        return asdict(replace(self, misread=()), dict_factory=lambda pairs: {k: v for k, v in pairs if k != "misread"})

    @property
    def lists_all_misread(self) -> bool:
        """Whether `misread` has every misclassified example."""
        return len(self.misread) == self.wrong

    @property
    def last_known(self) -> str:
        """The digest up to which `misread` has every misclassified example."""
        return "~" if self.lists_all_misread else self.misread[-1].digest  # ~ sorts after all hexadecimal digits

    @property
    def worst_digit(self) -> int:
        """The digit with the lowest accuracy."""
        return min(self.accuracy_by_digit, key=self.accuracy_by_digit.__getitem__)


def surely_wrong(result: EvaluationResult, card: Mapping[str, Any]) -> float | None:
    """The share of wrong answers that are not below the model's threshold, which people would get as facts.

    Returns:
        None if the card of an earlier release has no threshold, or not all wrong answers are listed.
    """
    if "sure" not in card or not result.lists_all_misread or not result.examples:
        return None
    return sum(one.probability >= float(card["sure"]) for one in result.misread) / result.examples


def read_evaluation(uri: str) -> EvaluationResult:
    """Reads a ModelEvaluation artifact."""
    names = {spec.name for spec in tfma.load_eval_result(uri).config.model_specs}
    evaluated = tfma.load_eval_result(uri, model_name=_CANDIDATE if _CANDIDATE in names else "")
    candidate = _metrics_by_slice(evaluated)
    baseline = tfma.load_eval_result(uri, model_name=_BASELINE) if _BASELINE in names else None
    validation = tfma.load_validation_result(uri)
    failures = [
        _failure(slice_failures.slice_key, failure)
        for slice_failures in validation.metric_validations_per_slice
        for failure in slice_failures.failures
    ]
    failures += [
        Failure(int(spec.feature_values[LABEL_KEY]), None, bound, is_change=False)
        for spec, bound in _missing(evaluated.config, validation)
    ]
    confusion = _confusion(evaluated)
    return EvaluationResult(
        accuracy=candidate[None]["accuracy"],
        loss=candidate[None]["loss"],
        calibration_error=candidate[None]["calibration_error"],
        examples=int(candidate[None]["examples"]),
        accuracy_by_digit={
            digit: metrics["accuracy"] for digit, metrics in sorted(candidate.items(), key=str) if digit is not None
        },
        confusion=confusion,
        wrong=sum(count for digit, row in enumerate(confusion) for answer, count in enumerate(row) if answer != digit),
        misread=_misread(evaluated),
        baseline_accuracy=_metrics_by_slice(baseline)[None]["accuracy"] if baseline else None,
        blessed=bool(validation.validation_ok),
        failures=tuple(failures),
    )


def _missing(config: tfma.EvalConfig, validation: Any) -> list[tuple[Any, float]]:
    """The slices that have a threshold but no examples, with the bound."""
    bounds = {
        str(spec): threshold.threshold.value_threshold.lower_bound.value
        for metrics in config.metrics_specs
        for metric in metrics.metrics
        for threshold in metric.per_slice_thresholds
        for spec in threshold.slicing_specs
    }
    return [(spec, bounds[str(spec)]) for spec in validation.missing_slices]


def _metrics_by_slice(evaluated: tfma.EvalResult) -> dict[int | None, dict[str, float]]:
    metrics: dict[int | None, dict[str, float]] = {}
    for slice_key, by_output in evaluated.slicing_metrics:
        digit = int(dict(slice_key)[LABEL_KEY]) if slice_key else None
        values = by_output[""][""]
        metrics[digit] = {name: float(values[key]["doubleValue"]) for name, key in _METRICS.items()}
    return metrics


def _confusion(evaluated: tfma.EvalResult) -> tuple[tuple[int, ...], ...]:
    plot = next(by_output for slice_key, by_output in evaluated.plots if not slice_key)[""][""]
    counts = [[0] * NUM_CLASSES for _ in range(NUM_CLASSES)]
    for entry in plot["multiClassConfusionMatrixAtThresholds"]["matrices"][0]["entries"]:
        # (protobuf's JSON omits zeros)
        counts[entry.get("actualClassId", 0)][entry.get("predictedClassId", 0)] = int(entry["numWeightedExamples"])
    return tuple(map(tuple, counts))


def _misread(evaluated: tfma.EvalResult) -> tuple[Misread, ...]:
    values = next(by_output for slice_key, by_output in evaluated.slicing_metrics if not slice_key)[""][""]
    return tuple(Misread(*row) for row in json.loads(base64.b64decode(values[metrics.MISREAD]["bytesValue"])))


def _failure(slice_key: Any, failure: Any) -> Failure:
    digit = next((key.int64_value for key in slice_key.single_slice_keys), None)
    threshold = failure.metric_threshold
    is_change = bool(failure.metric_key.is_diff)
    bound = threshold.change_threshold.absolute.value if is_change else threshold.value_threshold.lower_bound.value
    return Failure(digit, float(failure.metric_value.double_value.value), float(bound), is_change)
