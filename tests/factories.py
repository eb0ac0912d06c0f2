"""Configurations for tests: settings that a test does not name have their defaults."""

from pathlib import Path
from typing import Any

from models.recipe import Training
from pipeline.config import PipelineConfig, Thresholds

NO_DEMANDS = Thresholds(
    min_accuracy=0, min_digit_accuracy=0, max_drop=1, min_pages_accuracy=0, min_refusal=0, max_pictures_drop=1
)
"""Every model is blessed."""


def make_training(model: str = "lenet", **settings: Any) -> Training:
    """A training with the given settings; its source fingerprint is "source"."""
    return Training.choose(model, settings, "source")


def make_config(folder: Path | str, **fields: Any) -> PipelineConfig:
    """A configuration with data, runs and pushed models in a folder."""
    places = {name: f"{folder}/{name}" for name in ("data", "root", "push_dir")}
    return PipelineConfig(**{**places, "training": make_training(), **fields})


def make_thresholds(accuracy: float, digit: float, drop: float) -> Thresholds:
    """The three thresholds of the Evaluator, in the order of their options."""
    return Thresholds(min_accuracy=accuracy, min_digit_accuracy=digit, max_drop=drop)
