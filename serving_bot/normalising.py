"""From the ink of one digit to what MNIST looks like."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 28
BOX = 20
"""The longer side of the digit, in pixels."""

THINNEST = 1.5
"""Strokes that would come out thinner than this many of the 28 pixels are thickened to it: MNIST has no hairlines."""


def normalise(ink: npt.NDArray[np.float32], thinnest: float = THINNEST, box: int = BOX) -> npt.NDArray[np.uint8]:
    """One digit as MNIST has it: fitted into 20×20 with its proportions kept, anti-aliased, centre of mass in the middle.

    The steps are those of http://yann.lecun.com/exdb/mnist/ ("size normalized to fit in a 20x20 pixel box while preserving
    their aspect ratio ... centered in a 28x28 image by computing the center of mass of the pixels").

    Args:
        ink: float32 [height, width] in 0..1, the share of ink in each pixel, cut to the digit's box.

    Returns:
        uint8 [28, 28], white ink on black. All zero where there is no ink.
    """
    ink = _thicken(ink, thinnest)
    height, width = ink.shape
    scale = box / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.clip(cv2.resize(ink, size, interpolation=method), 0, 1)
    mass = float(small.sum())
    if mass <= 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    x = float(small.sum(axis=0) @ np.arange(size[0])) / mass
    y = float(small.sum(axis=1) @ np.arange(size[1])) / mass
    # Whole pixels keep the edges as they are; the box may not leave the image.
    left = min(max(round((SIDE - 1) / 2 - x), 0), SIDE - size[0])
    top = min(max(round((SIDE - 1) / 2 - y), 0), SIDE - size[1])
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + size[1], left : left + size[0]] = np.rint(small * 255)
    return image


def _thicken(ink: npt.NDArray[np.float32], thinnest: float) -> npt.NDArray[np.float32]:
    missing = thinnest * max(ink.shape) / BOX - stroke_width(ink)
    radius = round(missing / 2)
    if radius < 1:
        return ink
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = cv2.copyMakeBorder(ink, radius, radius, radius, radius, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(cv2.dilate(padded, kernel), np.float32)


def stroke_width(ink: npt.NDArray[np.float32]) -> float:
    """Mean width of the strokes in pixels of `ink` (float32 [height, width] in 0..1): twice the area over the outline."""
    solid = cv2.copyMakeBorder((ink > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    outline = np.count_nonzero(solid[:, 1:] != solid[:, :-1]) + np.count_nonzero(solid[1:] != solid[:-1])
    # Counted along pixel edges an outline is 4/pi times its length on average over directions.
    return 2.0 * float(np.count_nonzero(solid)) / max(outline * np.pi / 4, 1.0)
