"""Occlusion maps: how much less likely an answer becomes when a part of the digit is covered.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

CELL = 4
"""Side of a covered square in pixels; squares overlap by half."""


def occlusion_map(
    predict: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]], image: npt.NDArray[np.uint8], digit: int
) -> npt.NDArray[np.float32]:
    """The drop of `digit`'s probability for each covered square.

    Args:
        predict: uint8 [N, 28, 28] to probabilities float32 [N, 10].
        image: uint8 [28, 28], white ink on black.
        digit: the answer to explain, 0..9.

    Returns:
        float32 [13, 13] in -1..1: the square whose top left corner is at (2 * row, 2 * column).
    """
    places = range(0, image.shape[0] - CELL + 1, CELL // 2)
    covered = np.repeat(image[np.newaxis], len(places) ** 2 + 1, axis=0)
    for number, (top, left) in enumerate(((top, left) for top in places for left in places), 1):
        covered[number, top : top + CELL, left : left + CELL] = 0
    probabilities = predict(covered)[:, digit]
    return np.asarray(probabilities[0] - probabilities[1:], np.float32).reshape(len(places), len(places))
