"""Finds the written sheet in a picture that shows it lying on something else."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from serving_bot.reading.geometry import Box
from serving_bot.reading.ink import Mask, Pixels

SEARCH_SIDE = 160
"""The longer side, in pixels, of the copy used to find the sheet."""

SMALLEST = 200
"""Pictures with a shorter side below this, in pixels, are crops around the digits."""

LEAST_SHARE = 0.06
MOST_SHARE = 0.9
"""Minimum and maximum share of the picture that a sheet covers."""

LEAST_SOLIDITY = 0.88
"""Minimum share of its convex hull that a sheet covers."""

MOST_ON_BORDER = 0.35
"""Maximum share of a sheet's outline along the picture's edge; where light ends in a shadow, the share is higher."""

LEAST_STEP = 18.0
"""Minimum difference in grey levels between a sheet and its surroundings."""

MARGIN = 0.02
"""Width of the strip along the sheet's edge that is not searched, as a share of the picture's longer side."""


@dataclass(frozen=True)
class Surface:
    """A sheet in a picture.

    Attributes:
        pixels: uint8 [height, width, 3], the picture with the sheet's surroundings in the sheet's colour.
        within: uint8 [height, width], 1 on the sheet except its edge.
    """

    pixels: Pixels
    within: Mask

    def holds(self, box: Box) -> bool:
        """Whether a box lies on the sheet."""
        inside = self.within[max(box.top, 0) : max(box.bottom, 1), max(box.left, 0) : max(box.right, 1)]
        return bool(inside.size and inside.all())


def find_surface(pixels: Pixels) -> Surface | None:
    """The largest light, convex object in a picture; None if there is none, or it is the whole picture."""
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:
        return None
    factor = min(1.0, SEARCH_SIDE / max(height, width))
    small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    grey = cv2.medianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), 5)
    level, light = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    light = cv2.morphologyEx(light, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    sheet = _outline(np.asarray(light, np.uint8))
    if sheet is None:
        return None
    inside = cv2.fillConvexPoly(np.zeros_like(grey), sheet, 1)
    around = cv2.dilate(inside, np.ones((9, 9), np.uint8)) - cv2.dilate(inside, np.ones((3, 3), np.uint8))
    if not around.any() or np.median(grey[inside > 0]) - np.median(grey[around > 0]) < LEAST_STEP:
        return None
    side = max(3, round(2 * MARGIN * max(grey.shape)) | 1)
    kept = cv2.erode(cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE), np.ones((side, side), np.uint8))[
        1:-1, 1:-1
    ]
    if not kept.any():
        return None
    within = cv2.resize(kept, (width, height), interpolation=cv2.INTER_NEAREST)
    # the sheet's colour continues around it
    wide = (max(grey.shape) // 2 | 1,) * 2
    paper = small.astype(np.float32) * ((kept > 0) & (grey >= level))[..., np.newaxis]
    weight = cv2.blur(((kept > 0) & (grey >= level)).astype(np.float32), wide)
    colour = np.stack([cv2.blur(paper[..., channel], wide) for channel in range(3)], axis=2)
    mean = paper.sum(axis=(0, 1)) / max(float(((kept > 0) & (grey >= level)).sum()), 1.0)
    colour = np.where(weight[..., np.newaxis] > 0.01, colour / np.maximum(weight, 1e-3)[..., np.newaxis], mean)
    filled = cv2.resize(np.clip(colour, 0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    return Surface(np.where(within[..., np.newaxis] > 0, pixels, filled), within)


def _outline(light: Mask) -> npt.NDArray[np.int32] | None:
    """The corners of the largest light object, int32 [N, 1, 2], if it looks like a sheet."""
    contours, _ = cv2.findContours(light, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    sheet = cv2.convexHull(largest)
    area = cv2.contourArea(sheet)
    height, width = light.shape
    if not LEAST_SHARE < area / light.size < MOST_SHARE or cv2.contourArea(largest) < LEAST_SOLIDITY * area:
        return None
    along = _on_border(sheet[:, 0], width, height)
    return None if along > MOST_ON_BORDER * cv2.arcLength(sheet, True) else np.asarray(sheet, np.int32)


def _on_border(outline: npt.NDArray[np.int32], width: int, height: int) -> float:
    """Pixels of a polygon's outline along the picture's edge."""
    total = 0.0
    for one, other in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        for axis, last in ((0, width - 1), (1, height - 1)):
            if (one[axis] <= 2 and other[axis] <= 2) or (one[axis] >= last - 2 and other[axis] >= last - 2):
                total += float(np.abs(one - other).sum())
                break
    return total
