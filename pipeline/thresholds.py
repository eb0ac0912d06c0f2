"""Thresholds in ML Metadata and job files: JSON, read without TensorFlow.

pipeline/eval_config.py makes the Evaluator's EvalConfig: one threshold over all examples, one for each digit.
ServingCheck's thresholds are a JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from models.features import LABEL_KEY

ROUNDING = 1e-6
"""TFMA has metrics as float32: a threshold met exactly must not fail on its last bit. One image of 10,000 is 1e-4."""

_Bound = tuple[tuple[str, ...], str, str, int]
_BOUNDS: dict[str, _Bound] = {
    "min_accuracy": ((), "value_threshold", "lower_bound", 1),
    "min_digit_accuracy": ((LABEL_KEY,), "value_threshold", "lower_bound", 1),
    "max_drop": ((), "change_threshold", "absolute", -1),
}
"""The place of each of the Evaluator's thresholds: slice, kind of threshold, key and sign."""

SERVING = ("min_pages_accuracy", "min_refusal", "max_pictures_drop")
"""The thresholds of ServingCheck. All others of pipeline.config.Thresholds are the Evaluator's."""


def serving_thresholds(thresholds: Mapping[str, float]) -> str:
    """ServingCheck's parameter: JSON of those of the given thresholds that belong to it."""
    return json.dumps({name: float(thresholds[name]) for name in SERVING if name in thresholds})


def read_thresholds(eval_config: str) -> dict[str, float]:
    """The thresholds in an EvalConfig, by name; empty if it has none."""
    by_slice = _by_slice(json.loads(eval_config))
    return {
        # (JSON omits zeros)
        name: round(sign * by_slice[where][kind].get(key, 0.0), 5)
        for name, (where, kind, key, sign) in _BOUNDS.items()
        if where in by_slice
    }


def change_thresholds(eval_config: str, changes: Mapping[str, float]) -> str:
    """The EvalConfig as JSON, with changed values for thresholds that it has."""
    config = json.loads(eval_config)
    by_slice = _by_slice(config)
    for name, value in changes.items():
        where, kind, key, sign = _BOUNDS[name]
        by_slice[where][kind][key] = round(sign * value - ROUNDING, 9)
    return json.dumps(config)


def _by_slice(config: dict[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    """The accuracy's thresholds by the features that define their slices."""
    return {
        tuple({*sliced.get("feature_keys", ()), *sliced.get("feature_values", ())}): bound["threshold"]
        for metrics in config["metrics_specs"]
        for metric in metrics["metrics"]
        for bound in metric.get("per_slice_thresholds", ())
        for sliced in bound["slicing_specs"]
    }
