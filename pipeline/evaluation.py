"""What the Evaluator measures, and what a model must reach to be blessed."""

from __future__ import annotations

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto.config_pb2 import Options, PerSliceMetricThreshold  # tfma lacks them from 0.48 on

from components.digit_metrics import DigitMetrics
from models.features import LABEL_KEY
from pipeline.config import ROUNDING, Thresholds


def create_eval_config(thresholds: Thresholds | None) -> tfma.EvalConfig:
    """Accuracy, loss, calibration, confusion matrix and example count, over all examples and for each digit.

    A TFMA threshold given without slices would bind every slice, so each is tied to its own. Without thresholds the
    Evaluator gives no verdict.
    """
    everything, each_digit = tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=[LABEL_KEY])

    metrics = tfma.MetricConfig(class_name=DigitMetrics.__name__, module=DigitMetrics.__module__)
    if thresholds:
        metrics.per_slice_thresholds.extend(_bind(thresholds, everything, each_digit))
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(signature_name="serving_default", label_key=LABEL_KEY, prediction_key="probabilities")
        ],
        slicing_specs=[everything, each_digit],
        metrics_specs=[tfma.MetricsSpec(metrics=[metrics])],
        options=Options(disabled_outputs={"values": ["attributions"]}),  # there are none to write
    )


def _bind(
    thresholds: Thresholds, everything: tfma.SlicingSpec, each_digit: tfma.SlicingSpec
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
        PerSliceMetricThreshold(slicing_specs=[each_digit], threshold=digit),
    ]
