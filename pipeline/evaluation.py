"""What the Evaluator measures, and what a model must reach to be blessed."""

from __future__ import annotations

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto.config_pb2 import PerSliceMetricThreshold  # tfma itself lacks it from 0.48 on

from components.digit_metrics import DigitMetrics
from models.features import LABEL_KEY
from pipeline.config import Thresholds

_ROUNDING = 1e-6
"""TFMA holds metrics as float32: a threshold met exactly must not fail on its last bit. One image of 10,000 is 1e-4."""


def create_eval_config(thresholds: Thresholds) -> tfma.EvalConfig:
    """Accuracy, loss, calibration, confusion matrix and example count, over all examples and for each digit.

    A TFMA threshold given without slices would bind every slice, so each is tied to its own.
    """
    everything, each_digit = tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=[LABEL_KEY])

    def at_least(share: float) -> tfma.GenericValueThreshold:
        return tfma.GenericValueThreshold(lower_bound={"value": share - _ROUNDING})

    overall = tfma.MetricThreshold(
        value_threshold=at_least(thresholds.min_accuracy),
        change_threshold=tfma.GenericChangeThreshold(
            direction=tfma.MetricDirection.HIGHER_IS_BETTER,
            absolute={"value": -thresholds.max_drop - _ROUNDING},
        ),
    )
    digit = tfma.MetricThreshold(value_threshold=at_least(thresholds.min_digit_accuracy))
    metrics = tfma.MetricConfig(
        class_name=DigitMetrics.__name__,
        module=DigitMetrics.__module__,
        per_slice_thresholds=[
            PerSliceMetricThreshold(slicing_specs=[everything], threshold=overall),
            PerSliceMetricThreshold(slicing_specs=[each_digit], threshold=digit),
        ],
    )
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(signature_name="serving_default", label_key=LABEL_KEY, prediction_key="probabilities")
        ],
        slicing_specs=[everything, each_digit],
        metrics_specs=[tfma.MetricsSpec(metrics=[metrics])],
    )
