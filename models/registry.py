"""The networks the Trainer knows, by name. A new one is a file with `build()` and one line here (docs/models.md)."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Architecture:
    """A network; models/recipe.py says how it is trained."""

    module: str  # dotted module with `build() -> keras.Model`, float32 [N, 32, 32, 1] to logits float32 [N, 10]
    display_name: str  # the name shown to people

    def build(self) -> keras.Model:
        """Builds the network with fresh weights."""
        return importlib.import_module(self.module).build()


ARCHITECTURES = {
    "lenet": Architecture("models.lenet", "LeNet"),
    "my_model": Architecture("models.my_model", "MyModel"),
}


def name_training(model: str, epochs: int) -> str:
    """Display name of a network and its epochs: "MyModel, 10 epochs"; an unknown network keeps its registry name."""
    known = ARCHITECTURES.get(model)
    return f"{known.display_name if known else model}, {epochs} epoch{'s' if epochs != 1 else ''}"
