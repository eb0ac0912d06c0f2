"""The Evaluator's configuration: its metrics, and the thresholds for a blessing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma

from compat.tfma import Options, PerSliceMetricThreshold
from components.evaluation.metrics import DigitMetrics
from models.features import CLASS_NAMES, LABEL_KEY
from pipeline.config import Thresholds
from pipeline.thresholds import ROUNDING

MAX_BATCH_SIZE = 128  # maximum examples per call of the model


def create_eval_config(thresholds: Thresholds | None) -> tfma.EvalConfig:
    """Accuracy, loss, calibration, confusion matrix and example count, over all examples and per digit.

    A TFMA threshold without slices would apply to every slice, so each threshold names its slice. Without thresholds
    the Evaluator gives no verdict.
    """
    everything, each_digit = tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=[LABEL_KEY])

    metrics = tfma.MetricConfig(class_name=DigitMetrics.__name__, module=DigitMetrics.__module__)
    if thresholds:
        digits = [tfma.SlicingSpec(feature_values={LABEL_KEY: name}) for name in CLASS_NAMES]
        metrics.per_slice_thresholds.extend(_bind(thresholds, everything, digits))
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(signature_name="serving_default", label_key=LABEL_KEY, prediction_key="probabilities")
        ],
        slicing_specs=[everything, each_digit],
        metrics_specs=[tfma.MetricsSpec(metrics=[metrics])],
        options=Options(disabled_outputs={"values": ["attributions"]}),  # there are none
    )


def create_users_eval_config(max_drop: float, judged: bool) -> tfma.EvalConfig:
    """The same figures on users' digits, with a threshold only on overall accuracy, relative to the baseline."""
    config = create_eval_config(None)
    if judged:
        # A lower bound of 0 gives a verdict even without a baseline.
        threshold = tfma.MetricThreshold(value_threshold=_at_least(0.0), change_threshold=_drop_at_most(max_drop))
        (metric,) = config.metrics_specs[0].metrics
        metric.per_slice_thresholds.append(
            PerSliceMetricThreshold(slicing_specs=[tfma.SlicingSpec()], threshold=threshold)
        )
    return config


def _bind(
    thresholds: Thresholds, everything: tfma.SlicingSpec, digits: list[tfma.SlicingSpec]
) -> list[PerSliceMetricThreshold]:
    overall = tfma.MetricThreshold(
        value_threshold=_at_least(thresholds.min_accuracy), change_threshold=_drop_at_most(thresholds.max_drop)
    )
    digit = tfma.MetricThreshold(value_threshold=_at_least(thresholds.min_digit_accuracy))
    return [
        PerSliceMetricThreshold(slicing_specs=[everything], threshold=overall),
        # Each digit by name: TFMA does not report a missing slice of a feature's values, but a named slice without
        # examples fails its threshold.
        PerSliceMetricThreshold(slicing_specs=digits, threshold=digit),
    ]


def _at_least(share: float) -> tfma.GenericValueThreshold:
    return tfma.GenericValueThreshold(lower_bound={"value": share - ROUNDING})


def _drop_at_most(share: float) -> tfma.GenericChangeThreshold:
    return tfma.GenericChangeThreshold(
        direction=tfma.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -share - ROUNDING}
    )


def custom_extractors(eval_shared_model: Any, eval_config: tfma.EvalConfig, tensor_adapter_config: Any) -> list[Any]:
    """TFMA's extractors, on batches of only a few sizes; the Evaluator looks for a function of this name.

    Beam keeps trying new batch sizes, up to 1,000 examples, to find the fastest. TensorFlow caches a function for each
    size it has seen, so memory would grow with the data (docs/scaling.md). Batches are split into 128 examples, and the
    rest into 64, 32, ... and 1.
    """
    default = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    return [tfma.extractors.Extractor(stage_name="SplitBatches", ptransform=beam.FlatMap(_split)), *default]


def _split(extracts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    batch = extracts[tfma.ARROW_RECORD_BATCH_KEY]
    start, size = 0, MAX_BATCH_SIZE
    while start < batch.num_rows:
        while start + size > batch.num_rows:
            size //= 2
        yield {**extracts, tfma.ARROW_RECORD_BATCH_KEY: batch.slice(start, size)}
        start += size
