"""What the Evaluator measures, and what a model must reach to be blessed."""

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

MAX_BATCH_SIZE = 128  # the most examples that a model is given at once


def create_eval_config(thresholds: Thresholds | None) -> tfma.EvalConfig:
    """Accuracy, loss, calibration, confusion matrix and example count, over all examples and for each digit.

    A TFMA threshold given without slices would bind every slice, so each is tied to its own. Without thresholds the
    Evaluator gives no verdict.
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
        options=Options(disabled_outputs={"values": ["attributions"]}),  # there are none to write
    )


def _bind(
    thresholds: Thresholds, everything: tfma.SlicingSpec, digits: list[tfma.SlicingSpec]
) -> list[PerSliceMetricThreshold]:
    def at_least(share: float) -> tfma.GenericValueThreshold:
        return tfma.GenericValueThreshold(lower_bound={"value": share - ROUNDING})

    overall = tfma.MetricThreshold(
        value_threshold=at_least(thresholds.min_accuracy),
        change_threshold=tfma.GenericChangeThreshold(
            direction=tfma.MetricDirection.HIGHER_IS_BETTER,
            absolute={"value": -thresholds.max_drop - ROUNDING},
        ),
    )
    digit = tfma.MetricThreshold(value_threshold=at_least(thresholds.min_digit_accuracy))
    return [
        PerSliceMetricThreshold(slicing_specs=[everything], threshold=overall),
        # Each digit by name: TFMA does not miss a slice of a feature's values, and one without examples is not met.
        PerSliceMetricThreshold(slicing_specs=digits, threshold=digit),
    ]


def custom_extractors(eval_shared_model: Any, eval_config: tfma.EvalConfig, tensor_adapter_config: Any) -> list[Any]:
    """TFMA's own extractors, on batches of few sizes; the Evaluator looks for a function of this name.

    Beam keeps trying other sizes of batches, up to 1,000 examples, to find the fastest. TensorFlow keeps what it
    prepared for each size it has seen, so memory would grow with the data (docs/scaling.md). Batches are split into
    128 examples and what is left into 64, 32, ... and 1.

    Args:
        eval_shared_model: the model as TFMA shares it between threads, or a list of candidate and baseline.
        eval_config: what is measured.
        tensor_adapter_config: how Arrow's columns become tensors, or None.
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
