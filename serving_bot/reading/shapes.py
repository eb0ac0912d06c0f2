"""Finds outlines of filled shapes, which are not writing."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from serving_bot.reading.geometry import Box
from serving_bot.reading.ink import WIDEST_STROKE, Pixels

LEAST_INSIDE = 0.3
"""Minimum share of the box that an outline encloses."""


def is_filled(pixels: Pixels, labels: npt.NDArray[np.int32], name: int, box: Box) -> bool:
    """Whether a piece of ink is the outline of a shape that is filled with the ink's colour.

    Ink is found at the scale of strokes, so only the edge of a wider shape is ink.

    Args:
        pixels: uint8 [height, width, 3], the picture.
        labels: int32 [height, width], the piece that each pixel belongs to.
        name: the piece's label.
        box: around the piece.
    """
    if min(box.width, box.height) < WIDEST_STROKE * min(pixels.shape[:2]):
        return False
    ink = labels[box.top : box.bottom, box.left : box.right] == name
    around = np.pad(ink, 1).astype(np.uint8)
    cv2.floodFill(around, None, (0, 0), 2)
    around = around[1:-1, 1:-1]
    inside = around == 0
    if np.count_nonzero(inside) < LEAST_INSIDE * inside.size or not (around == 2).any():
        return False
    shown = pixels[box.top : box.bottom, box.left : box.right]
    inner, of_ink, outer = (np.median(shown[where], axis=0) for where in (inside, ink, around == 2))
    return bool(np.abs(inner - of_ink).sum() < np.abs(inner - outer).sum())
