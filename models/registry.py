"""The networks the Trainer knows, by name. A new one is a file with `build()` and one line here (docs/models.md)."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Architecture:
    """A network and the recipe that trains it well; the command line can override the recipe.

    Attributes:
        module: dotted module with `build() -> keras.Model`, float32 [N, 32, 32, 1] to logits float32 [N, 10].
        display_name: the name people see.
        learning_rate: peak of the schedule, for AdamW.
        batch_size: images per step.
        augment: whether training images are varied (models/synthesis/augmentation.py).
        outliers: images that are no digits beside each batch (models/synthesis/outliers.py).
        drawn_digits: digits in forms that MNIST hardly has beside each batch (models/synthesis/drawn_digits.py).
        weight_decay: by how much weights shrink at each step, times the learning rate (models/training/run_fn.py).
    """

    module: str
    display_name: str
    learning_rate: float
    batch_size: int
    augment: bool = False
    outliers: int = 0
    drawn_digits: int = 0
    weight_decay: float = 0.0

    def build(self) -> keras.Model:
        """Builds the network with fresh weights."""
        return importlib.import_module(self.module).build()


ARCHITECTURES = {
    "lenet": Architecture("models.lenet", "LeNet", learning_rate=6e-3, batch_size=128),
    "my_model": Architecture(
        "models.my_model",
        "MyModel",
        learning_rate=3e-3,
        batch_size=64,
        augment=True,
        outliers=16,
        drawn_digits=4,
        weight_decay=0.1,
    ),
}
