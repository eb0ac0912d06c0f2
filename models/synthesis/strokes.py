"""Draws letters, digits and strokes as if by hand, in MNIST's format, for training."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from models.normalising import normalise

SIDE = 96
"""Width and height of a drawing, in pixels."""

Drawing = npt.NDArray[np.uint8]
"""uint8 [96, 96], white ink on black."""

Stroke = npt.NDArray[np.float64]
"""Corners of a stroke, float64 [N, 2]: x to the right and y downwards, in pixels of the drawing."""

_THICKNESSES = (3, 11)
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
_POINTS, _SUBPIXEL_BITS = 100, 4


def draw_character(character: str, rng: np.random.Generator) -> Drawing:
    """A letter or digit in a Hershey font."""
    drawing = np.zeros((SIDE, SIDE), np.uint8)
    font, thickness = int(rng.choice(_FONTS)), int(rng.integers(*_THICKNESSES))
    cv2.putText(drawing, character, (22, 66), font, float(rng.uniform(1.6, 2.2)), 255, thickness, cv2.LINE_AA)
    return drawing


def draw_strokes(strokes: Sequence[Stroke], roundness: float, rng: np.random.Generator) -> Drawing:
    """Strokes of one thickness.

    Args:
        strokes: at least two corners each.
        roundness: how far corners are rounded off: standard deviation of a Gaussian, in hundredths of the stroke.
        rng: draws the thickness.
    """
    drawing = np.zeros((SIDE, SIDE), np.uint8)
    thickness = int(rng.integers(*_THICKNESSES))
    for corners in strokes:
        lengths = np.hypot(*np.diff(corners, axis=0).T)
        at = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()
        even = np.linspace(0, 1, _POINTS)
        path = np.stack([np.interp(even, at, corners[:, axis]) for axis in (0, 1)], axis=1).astype(np.float32)
        path = cv2.GaussianBlur(path, (1, 21), roundness, borderType=cv2.BORDER_REPLICATE)
        points = np.rint(path * 2**_SUBPIXEL_BITS).astype(np.int32)
        cv2.polylines(drawing, [points], False, 255, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
    return drawing


def warp(drawing: Drawing, rng: np.random.Generator) -> Drawing:
    """Slants, stretches and bends a drawing as handwriting does."""
    matrix = np.eye(2, 3, dtype=np.float32) + rng.normal(0, 0.12, (2, 3)).astype(np.float32)
    matrix[:, 2] = SIDE / 2 - matrix[:, :2] @ np.full(2, SIDE / 2, np.float32)
    slanted = cv2.warpAffine(drawing, matrix, (SIDE, SIDE))
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    shifts = cv2.resize(rng.normal(0, 4, (4, 4, 2)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.remap(slanted, x + shifts[..., 0], y + shifts[..., 1], cv2.INTER_LINEAR), np.uint8)


def to_mnist(drawing: Drawing) -> npt.NDArray[np.uint8]:
    """The ink of a drawing of any size, sized and centred as in MNIST: uint8 [28, 28]; all black if there is no ink."""
    ink = crop(drawing, 127)
    return normalise(ink.astype(np.float32) / 255) if ink.size else np.zeros((28, 28), np.uint8)


def crop(drawing: Drawing, level: int) -> Drawing:
    """A drawing of any size, cropped to the pixels brighter than `level`; empty if there are none."""
    rows, columns = np.flatnonzero(drawing.max(axis=1) > level), np.flatnonzero(drawing.max(axis=0) > level)
    if not rows.size:
        return drawing[:0, :0]
    return drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
