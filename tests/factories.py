"""Configurations for tests: settings that a test does not name have their defaults."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from models.recipe import Training
from pipeline.config import PipelineConfig, Thresholds
from pipeline.history.records import Artifact, Run, Step

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


FIGURES = {
    "accuracy": 0.99,
    "wrong": 3,
    "examples": 300,
    "accuracy_by_digit": {"0": 0.995, "8": 0.98},
    "baseline_accuracy": None,
    "blessed": True,
    "failures": [],
}


def make_run(
    run_id: str = "r",
    *,
    version: int | None = None,
    push_dir: Path | str = "/pushed",
    seconds: dict[str, float] | None = None,
    refused: Path | None = None,
    **figures: Any,
) -> Run:
    """A finished run: pushed if it has a version; `refused` is the folder of ServingCheck's report on a bad export."""
    started = datetime(2026, 11, 22, tzinfo=timezone.utc)
    pushed = {"pushed": 1, "pushed_version": str(version), "pushed_destination": f"{push_dir}/{version}"}
    made = {
        "MnistExampleGen": {
            "examples": {"source": "bundled", "split_sizes": '{"train": 53000, "eval": 2000, "test": 10000}'}
        },
        "Trainer": {},
        "Evaluator": {"evaluation": {"figures": json.dumps(FIGURES | figures)}},
        "ServingCheck": {"blessing": {"blessed": int(refused is None)}},
        "VersionedPusher": {"pushed_model": {"pushed": 0} if version is None else pushed},
    }
    steps = []
    for name in dict.fromkeys([*made, *(seconds or {})]):
        outputs = {key: (Artifact(1, key, str(refused), properties),) for key, properties in made.get(name, {}).items()}
        took = (seconds or {}).get(name)
        state = "cached" if took is None else "done"
        steps.append(Step(name, len(steps), state, started, took, {}, {}, outputs, None))
    return Run(run_id, started, "not blessed" if version is None else "pushed", tuple(steps))
