"""Removes the printed lines of ruled and squared paper from the ink."""

from __future__ import annotations

import cv2
import numpy as np

from serving_bot.reading.ink import Mask, above

THICKEST_RULE = 0.018
"""Maximum thickness of printed lines, as a share of the shorter side."""

FEWEST_RULES = 3
"""Minimum number of printed lines; fewer may be strokes."""

RULE_STEP = 4
"""Pixels averaged along a printed line before the search."""

LEAST_COVERED = 0.4
"""Minimum visible share of a printed line, and of its first and last quarter."""

MOST_LINES = 600
"""Maximum number of straight lines to check."""

RULE_TILT = np.deg2rad(12)
"""Maximum deviation of printed lines from horizontal or vertical."""


def drop_rules(mask: Mask, contrast: Mask, faint: float) -> Mask:
    """Removes printed lines from a mask: several thin, straight, nearly horizontal or vertical lines, border to border.

    It removes only thin ink along a line, so a stroke that crosses it stays whole.
    """
    for upright in (False, True):
        if upright:
            mask, contrast = cv2.transpose(mask), cv2.transpose(contrast)
        rules = _find_rules(contrast, faint)
        if rules is not None:
            band, thickness = rules
            tall = np.ones((2 * thickness + 1, 1), np.uint8)
            stroke = cv2.dilate(cv2.morphologyEx(mask, cv2.MORPH_OPEN, tall), np.ones((1, 3), np.uint8))
            removed = mask & band & ~stroke
            rest = mask & ~removed
            mask = rest | (cv2.morphologyEx(rest, cv2.MORPH_CLOSE, tall) & removed)
    return np.asarray(cv2.transpose(mask), np.uint8)


def _find_rules(contrast: Mask, faint: float) -> tuple[Mask, int] | None:
    """Nearly horizontal printed lines: their possible places, uint8 [height, width], and their thickness in pixels.

    Lines may be fainter than ink, so the search uses half the level, in a copy averaged along the rows, where grain
    vanishes. None if there are fewer than `FEWEST_RULES`.
    """
    height, width = contrast.shape
    side = max(3, int(THICKEST_RULE * min(height, width)) | 1)
    steps = width // RULE_STEP
    if steps < 2:
        return None
    narrow = cv2.resize(contrast, (steps, height), interpolation=cv2.INTER_AREA)
    wide = cv2.morphologyEx(narrow, cv2.MORPH_OPEN, np.ones((side + 2, 1), np.uint8))
    thin = above(cv2.subtract(narrow, wide), 0.5 * faint)
    if np.count_nonzero(thin) < FEWEST_RULES * steps // 2:
        return None
    tilt = np.arctan(RULE_STEP * np.tan(RULE_TILT))
    lines = cv2.HoughLines(
        thin, 1, np.pi / 180, int(0.5 * steps), min_theta=np.pi / 2 - tilt, max_theta=np.pi / 2 + tilt
    )
    if lines is None:
        return None
    rho, theta = lines[:MOST_LINES].reshape(-1, 2).astype(np.float32).T
    along = np.arange(steps, dtype=np.float32)
    across = np.rint((rho[:, np.newaxis] - along * np.cos(theta)[:, np.newaxis]) / np.sin(theta)[:, np.newaxis])
    inside = (across >= 0) & (across < height)
    near = cv2.dilate(thin, np.ones((3, 1), np.uint8))
    covered = inside & (near[np.clip(across, 0, height - 1).astype(np.int32), np.arange(steps)] > 0)
    # A stroke does not run from border to border; a line is also visible in its first and last quarter.
    length = inside.sum(axis=1, keepdims=True)
    place = inside.cumsum(axis=1)
    parts = (inside, inside & (4 * place <= length), inside & (4 * place > 3 * length))
    shares = [(covered & part).sum(axis=1) / np.maximum(part.sum(axis=1), 1) for part in parts]
    across = across[np.min(shares, axis=0) >= LEAST_COVERED]
    middles = np.sort(across[:, steps // 2])
    count = np.count_nonzero(np.diff(middles) > side) + 1 if middles.size else 0
    if count < FEWEST_RULES:
        return None
    band = np.zeros_like(thin)
    for first, last in across[:, [0, -1]].astype(int).tolist():
        cv2.line(band, (0, first), (steps - 1, last), 1, 3)
    thickness = np.count_nonzero(thin & band) / max(1, steps * count)
    band = cv2.dilate(band, np.ones((3, 1), np.uint8))
    return cv2.resize(band, (width, height), interpolation=cv2.INTER_NEAREST), max(1, round(thickness))
