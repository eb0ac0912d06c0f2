"""What decides the result of a training, beside the data. Imports no TensorFlow: the command line uses it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLATFORM_PREFIX = "ai_platform_"
"""How TFX names what its Trainer for Vertex AI reads from the `custom_config`, beside the training's own parameters."""


@dataclass(frozen=True)
class TrainingParameters:
    """What decides the result of a training, beside the data; the Trainer's `custom_config`.

    Attributes:
        model: a name in ARCHITECTURES.
        epochs: passes over the training split.
        batch_size: images per step, over all devices.
        learning_rate: peak of the schedule, for AdamW.
        augment: whether training images are varied.
        outliers: images that are no digits beside each full batch, of which the network learns to doubt.
        drawn_digits: digits in forms that MNIST hardly has, drawn, beside each full batch.
        weight_decay: by how much weights shrink at each step, times the learning rate.
        seed: of weights, order and variation.
        source: fingerprint of the source code, so that TFX's cache sees an edit.
        memory_mib: what training images may take; larger sets are streamed and shuffled within a window of that size.
        mixed_precision: whether most of the network computes in 16 bits, None for yes where GPUs train.
        xla: whether XLA compiles the network, None for yes where one GPU trains.
    """

    model: str
    epochs: int
    batch_size: int
    learning_rate: float
    augment: bool
    outliers: int
    drawn_digits: int
    weight_decay: float
    seed: int
    source: str
    memory_mib: int = 1024
    mixed_precision: bool | None = None
    xla: bool | None = None

    @classmethod
    def from_custom_config(cls, values: Mapping[str, Any]) -> TrainingParameters:
        """From a Trainer's `custom_config`, which may also hold what TFX's Trainer for Vertex AI reads."""
        return cls(**{name: value for name, value in values.items() if not name.startswith(PLATFORM_PREFIX)})


def source_fingerprint() -> str:
    """SHA-256 over the files that training and export run."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
