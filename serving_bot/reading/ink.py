"""Finds ink: each pixel's contrast with its background (paper, board, canvas), and the levels above which it is ink."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

GROUND_SIDE = 160
"""The longer side, in pixels, of the copy used to estimate the background (paper, board, canvas)."""

WIDEST_STROKE = 0.25
"""Strokes narrower than this share of the shorter side are ink; anything wider is paper, shadow or table."""

FLATNESS = 0.06
"""The background is even if nine tenths of it lie within this share of the contrast around its median."""

MIN_CONTRAST = 14.0
"""Minimum difference between ink and background, in grey levels of 255."""

NOISE_FACTOR = 5.0
"""Minimum difference between ink and background, in standard deviations of the background's grain."""

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.uint8]


def measure_contrast(pixels: Pixels, zoom: int, dark: bool | None = None) -> Mask:
    """Contrast of each pixel with its background in the direction of the ink's colour, corrected for uneven light.

    Returns:
        uint8 [height, width], 0 on the background.
    """
    height, width = pixels.shape[:2]
    scale = GROUND_SIDE / max(height, width)
    small = pixels
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        half = cv2.resize(pixels, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_AREA)
        small = cv2.resize(half, size, interpolation=cv2.INTER_AREA)
    if dark is None:
        dark = _is_dark_on_light(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
    colour = _flat_ground(small, dark, zoom)
    if colour is not None:
        ground = np.broadcast_to(colour, small.shape).copy()
    else:
        side = max(3, int(min(small.shape[:2]) * WIDEST_STROKE) | 1)
        kernel = np.ones((side, side), np.uint8)
        ground = cv2.morphologyEx(small, cv2.MORPH_CLOSE if dark else cv2.MORPH_OPEN, kernel)
        ground = cv2.blur(cv2.blur(ground, (side // 3, side // 3)), (side // 3, side // 3))
    difference = cv2.subtract(ground, small) if dark else cv2.subtract(small, ground)
    # The ink's colour is the direction in which the strongest pixels differ, which favours ink over tinted rules.
    total = difference.reshape(-1, 3) @ np.ones(3, np.uint16)
    rank = int(0.99 * (total.size - 1))
    strongest = total >= max(int(np.partition(total, rank)[rank]), 1)
    if not strongest.any():
        return np.zeros((height, width), np.uint8)
    direction = difference.reshape(-1, 3)[strongest].mean(axis=0)
    weights = direction / direction.sum()
    ground, plane = _mix(ground, weights), _mix(pixels, weights)
    level = quantile(ground, 0.5)
    ground = cv2.resize(ground, (width, height), interpolation=cv2.INTER_LINEAR)
    # A shadow darkens ink and paper by the same factor.
    reflected = cv2.divide(plane, ground, scale=level) if dark else None
    contrast = cv2.subtract(plane, ground) if reflected is None else cv2.subtract(level, reflected)
    offset = quantile(contrast[::4, ::4], 0.5)
    return np.asarray(cv2.subtract(contrast, offset) if offset else contrast, np.uint8)


def find_levels(contrast: Mask) -> tuple[float, float] | None:
    """The contrasts above which a pixel may be ink and certainly is ink; None if nothing stands out."""
    step = max(1, contrast.shape[0] // 320), max(1, contrast.shape[1] // 320)
    sample = np.ascontiguousarray(contrast[:: step[0], :: step[1]])
    ground = cv2.calcHist([sample], [0], None, [int(MIN_CONTRAST)], [0, int(MIN_CONTRAST)])[:, 0]
    grain = float(np.sqrt((ground @ np.arange(len(ground)) ** 2) / max(float(ground.sum()), 1.0)))
    floor = max(MIN_CONTRAST, NOISE_FACTOR * grain)
    above = sample[sample > floor]
    if above.size == 0:
        return None
    strong, _ = cv2.threshold(above[:, np.newaxis], 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return max(floor, 0.5 * strong), max(floor, float(strong))


def above(plane: Mask, level: float) -> Mask:
    """1 where a uint8 plane is above a level, else 0."""
    return np.asarray(cv2.threshold(plane, level, 1, cv2.THRESH_BINARY)[1], np.uint8)


def quantile(values: Pixels, share: float) -> float:
    """The least value that `share` of all do not exceed; for uint8 a histogram is faster than sorting."""
    return float(np.searchsorted(np.bincount(values.ravel()).cumsum(), share * values.size))


def _is_dark_on_light(grey: Mask) -> bool:
    """Whether ink is darker than its background: the background is the border if that has one brightness (a canvas, a
    scan); otherwise ink is whatever stands out more sharply from its blurred surroundings, valleys or ridges."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    light_border = float(np.mean(border > threshold)) > 0.5
    if quantile(border, 0.9) - quantile(border, 0.1) < 12:
        return light_border
    around = cv2.stackBlur(grey, (max(3, min(grey.shape) // 2 | 1),) * 2)
    dark, light = (
        cv2.norm(cv2.subtract(cv2.subtract(one, other), 4.0), cv2.NORM_L2SQR)
        for one, other in ((around, grey), (grey, around))
    )
    # (strokes that fill the picture are too wide for this: they stand out both ways)
    return dark > light if max(dark, light) > 1.4 * min(dark, light) else light_border


def _flat_ground(small: Pixels, dark: bool, zoom: int) -> npt.NDArray[np.uint8] | None:
    """The background's colour, uint8 [3], if it is even (a canvas, a scan); None under uneven light."""
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    of_ground = grey > threshold if dark else grey <= threshold
    if not of_ground.any() or of_ground.all():
        return None
    half = max(3, min(grey.shape) // 2)
    if cv2.erode((~of_ground).astype(np.uint8), np.ones((half, half), np.uint8)).any():
        return None  # (anything so large is a shadow or the table, not a stroke)
    # The soft edges of strokes do not belong to the background.
    side = 4 * zoom + 1
    near_ink = cv2.dilate((~of_ground).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    centre = quantile(grey[of_ground], 0.5)
    clear = cv2.absdiff(grey, centre)[~near_ink]
    spread = quantile(clear, 0.95) if clear.size else 0.0
    if spread > FLATNESS * abs(centre - quantile(grey[~of_ground], 0.5)):
        return None
    return np.array([quantile(channel, 0.5) for channel in small[of_ground].T], np.uint8)


def _mix(pixels: Pixels, weights: npt.NDArray[np.float64]) -> Mask:
    """The weighted sum of the channels: uint8 [height, width]."""
    red, green, blue = cv2.split(pixels)
    mixed = cv2.addWeighted(red, float(weights[0]), green, float(weights[1]), 0.0)
    return np.asarray(cv2.addWeighted(mixed, 1.0, blue, float(weights[2]), 0.0), np.uint8)
