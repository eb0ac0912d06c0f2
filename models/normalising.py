"""Turns the ink of one digit into an image that looks like MNIST."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 28
BOX = 20  # the longer side of the digit, in pixels
STROKE_WIDTHS = (1.0, 3.0)
"""Minimum stroke widths, in pixels of the 28×28 image; a digit is classified at each. A hairline nearly vanishes when
reduced; a wide stroke is closer to MNIST's mean but may close a small loop."""

LONGEST = 640
"""Ink longer than this, in pixels, is reduced first: thickening strokes in a large image would take seconds."""

Ink = npt.NDArray[np.float32]


def normalise(ink: Ink, least_width: float = STROKE_WIDTHS[0]) -> npt.NDArray[np.uint8]:
    """One digit in MNIST's format: fitted into 20×20 with its aspect ratio, anti-aliased, centred by centre of mass.

    The steps are those of http://yann.lecun.com/exdb/mnist/ ("size normalized to fit in a 20x20 pixel box
    while preserving their aspect ratio ... centered in a 28x28 image by computing the center of mass of the pixels").

    Args:
        ink: float32 [height, width] in 0..1, the share of ink in each pixel, cropped to the digit's box.
        least_width: strokes thinner than this, in pixels of the result, are thickened to it.

    Returns:
        uint8 [28, 28], white ink on black. All zeros if there is no ink.
    """
    if max(ink.shape) > LONGEST:
        ink = _fit(ink, LONGEST)
    small = np.clip(_fit(_thicken(ink, least_width), BOX), 0, 1)
    height, width = small.shape
    mass = float(small.sum())
    image = np.zeros((SIDE, SIDE), np.uint8)
    if mass <= 0:
        return image
    x = float(small.sum(axis=0) @ np.arange(width)) / mass
    y = float(small.sum(axis=1) @ np.arange(height)) / mass
    # Whole pixels keep the edges as they are; the box may not leave the image.
    left = min(max(round((SIDE - 1) / 2 - x), 0), SIDE - width)
    top = min(max(round((SIDE - 1) / 2 - y), 0), SIDE - height)
    image[top : top + height, left : left + width] = np.rint(small * 255)
    return image


def variants(ink: Ink) -> npt.NDArray[np.uint8]:
    """The digit at each of `STROKE_WIDTHS`: uint8 [2, 28, 28]."""
    return np.stack([normalise(ink, width) for width in STROKE_WIDTHS])


def stroke_width(ink: Ink) -> float:
    """Mean width of the strokes in pixels of `ink` (float32 [height, width] in 0..1): twice the area over
    the outline."""
    solid = cv2.copyMakeBorder((ink > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    outline = np.count_nonzero(solid[:, 1:] != solid[:, :-1]) + np.count_nonzero(solid[1:] != solid[:-1])
    # Counted along pixel edges, an outline is on average 4/pi times its length.
    return 2.0 * float(np.count_nonzero(solid)) / max(outline * np.pi / 4, 1.0)


def _fit(ink: Ink, side: int) -> Ink:
    """The ink scaled so that its longer side is `side` pixels."""
    scale = side / max(ink.shape)
    size = (max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(ink, size, interpolation=method), np.float32)


def _thicken(ink: Ink, least_width: float) -> Ink:
    missing = least_width * max(ink.shape) / BOX - stroke_width(ink)
    radius = round(missing / 2)
    if radius < 1:
        return ink
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    levels = cv2.convertScaleAbs(ink, alpha=255.0)  # OpenCV dilates bytes twice as fast as floats
    padded = cv2.copyMakeBorder(levels, radius, radius, radius, radius, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(cv2.dilate(padded, kernel), np.float32) / np.float32(255)
