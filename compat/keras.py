"""Private names of Keras 3, and what would replace each."""

from __future__ import annotations

from typing import Any

import keras


def build_before_fit(model: keras.Model, images: Any, labels: Any) -> None:
    """Builds metrics and optimizer of a compiled model from these examples, and keeps `fit` from doing so.

    Keras 3 builds them from the first batch, but cannot read a batch that is spread over several programs (hence
    `_symbolic_build`, `_maybe_symbolic_build`). Remove this when `fit` accepts a `tf.distribute.DistributedDataset`.
    """
    model._symbolic_build(data_batch=(images, labels))
    model._maybe_symbolic_build = lambda **_: None
