"""Everything but the data that determines a training's result. Imports no TensorFlow: the command line uses it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.settings import Setting, SettingError, setting, settings_of

PLATFORM_PREFIX = "ai_platform_"
"""Prefix of the `custom_config` keys that TFX's Trainer for Vertex AI reads; the others are the training's settings."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained. Adding a setting: CONTRIBUTING.md."""

    batch_size: int = setting(64, minimum=1, label="Batch size", help="Images per step.")
    learning_rate: float = setting(
        3e-3, by_model={"lenet": 6e-3}, minimum=1e-9, label="Learning rate", help="Peak of the schedule, for AdamW."
    )
    augment: bool = setting(
        True, label="Augment", help="Vary slant, size, position and stroke width of training images."
    )
    outliers: int = setting(
        16, minimum=0, label="Outliers", help="Non-digit images added to each batch, so the network learns to abstain."
    )
    drawn_digits: int = setting(
        8, minimum=0, label="Drawn digits", help="Synthetic digits in forms that MNIST lacks, added to each batch."
    )
    user_digits: int = setting(
        8, minimum=0, label="Users' digits", help="Maximum users' digits added to each batch, with --feedback."
    )
    weight_decay: float = setting(
        0.0,
        by_model={"my_model": 0.1},
        minimum=0,
        label="Weight decay",
        help="Weight decay at each step, times the learning rate.",
    )


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a training is executed."""

    memory_mib: int = setting(
        1024,
        minimum=1,
        option="train-memory",
        label="Training memory",
        help="MiB for training images; a larger set is streamed from disk and shuffled within a window of that size.",
    )
    mixed_precision: bool | None = setting(
        None,
        decided="on GPUs and CPUs with bfloat16",
        label="Mixed precision",
        help="Train with mixed 16-bit precision.",
    )
    xla: bool | None = setting(None, decided="on one GPU", label="XLA", help="Compile the training step with XLA.")


@dataclass(frozen=True, kw_only=True)
class Training:
    """What to train and how; the Trainer's `custom_config`."""

    model: str  # a name in ARCHITECTURES
    # passes over the training split
    epochs: int = setting(3, minimum=1, label="Epochs", help="Passes over the training images.")
    # for initial weights, data order and augmentation
    seed: int = setting(1, minimum=0, label="Seed", help="Random seed for weights, data order and augmentation.")
    recipe: Recipe = field(default_factory=Recipe)  # how the network is trained
    execution: Execution = field(default_factory=Execution)  # how the training is executed
    source: str = ""  # fingerprint of the source code, so TFX's cache notices an edit

    @classmethod
    def choose(cls, model: str, settings: Mapping[str, Any], source: str | None = None) -> Training:
        """The training with these settings; those that are missing or None get the network's defaults.

        Args:
            model: a name in ARCHITECTURES.
            settings: values of TRAINING_SETTINGS, by name.
            source: fingerprint of the source code; by default, of the running code.

        Raises:
            SettingError: a setting is unknown.
        """
        unknown = [name for name in settings if name not in TRAINING_SETTINGS]
        if unknown:
            raise SettingError(f"This release has no setting {unknown[0]!r}.")
        values = {
            name: known.default_for(model) if settings.get(name) is None else settings[name]
            for name, known in TRAINING_SETTINGS.items()
        }
        recipe = Recipe(**{name: values.pop(name) for name in settings_of(Recipe)})
        execution = Execution(**{name: values.pop(name) for name in settings_of(Execution)})
        source = source_fingerprint() if source is None else source
        return cls(model=model, recipe=recipe, execution=execution, source=source, **values)

    def to_config(self) -> dict[str, Any]:
        """All settings by name, with model and source, as JSON values: the form that the card and ML Metadata hold."""
        values = asdict(self)
        recipe, execution, source = values.pop("recipe"), values.pop("execution"), values.pop("source")
        return {**values, **recipe, **execution, "source": source}

    @classmethod
    def from_config(cls, values: Mapping[str, Any]) -> Training:
        """Reads what `to_config` made; settings that an earlier release lacks get their defaults.

        The Trainer's `custom_config` may also hold what TFX's Trainer for Vertex AI reads.

        Raises:
            SettingError: a setting is unknown, or the model is missing.
        """
        settings = {name: value for name, value in values.items() if not name.startswith(PLATFORM_PREFIX)}
        try:
            model, source = settings.pop("model"), settings.pop("source")
        except KeyError as error:
            raise SettingError(f"The training has no {error}.") from error
        return cls.choose(model, settings, source)


TRAINING_SETTINGS: Mapping[str, Setting] = {
    **settings_of(Training),
    **settings_of(Recipe),
    **settings_of(Execution),
}
"""Every setting of a training by name, in display order."""


def source_fingerprint() -> str:
    """SHA-256 of the code that trains and exports."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
