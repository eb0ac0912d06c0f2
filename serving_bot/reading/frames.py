"""Removes frames, cells and long rules around the writing from the ink."""

from __future__ import annotations

import cv2
import numpy as np

from serving_bot.reading.geometry import Box
from serving_bot.reading.ink import Mask

LEAST_FRAME = 0.06
"""Minimum shorter side of a frame, as a share of the picture's."""

MOST_FRAMES = 4
"""Number of searches for nested frames."""

LONG_RULE = 1.0
LEAST_RULE = 2.0
"""In pieces of at least `LEAST_RULE` usual heights, straight lines of at least `LONG_RULE` of these are cell sides."""

MOST_COMPARED = 900
"""With more pieces than this, no usual height is computed."""


def drop_frames(mask: Mask, dark: Mask, usual: float) -> tuple[Mask, list[Box]]:
    """Removes straight lines that are not strokes of digits from a mask: sides of frames and tables, long rules.

    Args:
        mask: 1 on possible ink.
        dark: 1 on the stronger ink, which faint rules do not join.
        usual: usual height of the pieces, in pixels; 0.0 for a single piece.
    """
    dropped = _drop_sides(mask, dark, usual)
    for _ in range(MOST_FRAMES):
        taken = _drop_sides(mask, None, usual)
        if not taken:
            break
        dropped += taken
    height, width = mask.shape
    if width > 1.3 * height:
        runs = _runs(mask, int(0.5 * width))
        if runs[:, : width // 12].any() and runs[:, -(width // 12) :].any():
            mask = _take_out(mask, runs)
    return np.ascontiguousarray(mask), dropped


def _drop_sides(mask: Mask, dark: Mask | None, usual: float) -> list[Box]:
    """Removes the sides of frames and cells from a mask, in place: straight lines in pieces larger than digits."""
    dropped = []
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_BBDT)
    boxes = [Box(*(int(value) for value in row[:4])) for row in stats[1:]]
    for name, box in enumerate(boxes, 1):
        if box.side < max(LEAST_RULE * usual, LEAST_FRAME * min(mask.shape)):
            continue
        if not usual and min(box.width, box.height) < LEAST_FRAME * min(mask.shape):
            continue
        view = (slice(box.top, box.bottom), slice(box.left, box.right))
        own = (labels[view] == name).astype(np.uint8)
        if dark is not None:
            if (
                usual
                and min(box.width, box.height) >= LEAST_RULE * usual
                and cv2.countNonZero(own & dark[view]) > 0.3 * cv2.countNonZero(own)
            ):
                mask[view] &= (own ^ 1) | dark[view]
            continue
        share = LONG_RULE if min(box.width, box.height) >= LEAST_RULE * usual else 1.5 * LEAST_RULE
        least = int(max(share * usual, 0.2 * box.side)) if usual else 0
        level, upright = _runs(own, least or box.width // 2), _runs(own.T, least or box.height // 2)
        if (usual and (level.any() or upright.any())) or (_at_both_ends(level) and _at_both_ends(upright)):
            rest = np.ascontiguousarray(_take_out(_take_out(own, level).T, upright).T)
            rest = _without_scraps(rest, usual, max(_thickness(level), _thickness(upright)))
            mask[view] = (mask[view] & ~own) | rest
            dropped.append(box)
    return dropped


def find_boxes(mask: Mask) -> list[Box]:
    """The boxes of a mask's connected pieces, without specks."""
    _, _, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_BBDT)
    high = stats[1:][stats[1:, cv2.CC_STAT_HEIGHT] >= 0.03 * min(mask.shape)]
    return [Box(*(int(value) for value in row[:4])) for row in high]


def usual_height(boxes: list[Box]) -> float:
    """The median height of the boxes that contain no other box of a fifth of their height; 0.0 for a single box."""
    plain = [
        box.height
        for box in boxes
        if not any(
            other is not box
            and other.height > 0.2 * box.height
            and box.left <= other.left
            and box.top <= other.top
            and box.right >= other.right
            and box.bottom >= other.bottom
            for other in boxes
        )
    ]
    if len(plain) < 2 or len(plain) > MOST_COMPARED:
        return 0.0
    return float(np.median([height for height in plain if height >= 0.4 * np.quantile(plain, 0.75)]))


def _thickness(runs: Mask) -> int:
    """Thickness of horizontal runs in pixels: their area over the length of their upper edges."""
    edges = cv2.countNonZero(runs[1:] & ~runs[:-1] & 1) + cv2.countNonZero(runs[0])
    return max(1, round(cv2.countNonZero(runs) / max(edges, 1)))


def _without_scraps(rest: Mask, usual: float, thickness: int) -> Mask:
    """The rest of a frame without fragments of its lines."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
    kept = np.zeros(count, np.uint8)
    kept[1:] = (stats[1:, 2:4].max(axis=1) > max(0.5 * usual, 3 * thickness)) & (
        stats[1:, 2:4].min(axis=1) > 2 * thickness
    )
    return np.asarray(kept[labels], np.uint8)


def _runs(mask: Mask, length: int) -> Mask:
    """Horizontal straight lines of at least `length` pixels, across small gaps; they may be slightly tilted."""
    mask = np.ascontiguousarray(mask)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((1, 7), np.uint8))
    short = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((1, max(12, length // 5)), np.uint8))
    runs = np.zeros_like(mask)
    if not cv2.countNonZero(short):
        return runs
    joined = cv2.dilate(short, np.ones((3, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    for name in range(1, count):
        left, top, wide, high, _ = (int(value) for value in stats[name])
        if wide < length or high > 0.25 * wide:
            continue
        view = (slice(top, top + high), slice(left, left + wide))
        own = (labels[view] == name) & (short[view] > 0)
        thick = own.sum(axis=0)
        columns = np.flatnonzero(thick)
        middles = (np.arange(high)[:, np.newaxis] * own).sum(axis=0)[columns] / thick[columns]
        line = np.polyval(np.polyfit(columns, middles, 1), columns)
        if (
            len(columns) >= 0.6 * length
            and np.abs(middles - line).mean() < 0.01 * wide + 1
            and np.median(thick) < 0.12 * wide
        ):
            runs[view] |= own.astype(np.uint8)
    return runs


def _at_both_ends(runs: Mask) -> bool:
    """Whether there are runs near the top and near the bottom."""
    rows = np.flatnonzero(runs.any(axis=1))
    return rows.size > 0 and rows[0] < 0.2 * len(runs) and rows[-1] >= 0.8 * len(runs)


def _take_out(mask: Mask, runs: Mask) -> Mask:
    """Removes only thin ink along horizontal runs, so a stroke that crosses them stays whole."""
    mask, runs = np.ascontiguousarray(mask), np.ascontiguousarray(runs)
    if not runs.any():
        return mask
    thickness = _thickness(runs) + 1
    band = cv2.dilate(runs, np.ones((5, 9), np.uint8))
    tall = np.ones((2 * thickness + 3, 1), np.uint8)
    stroke = cv2.dilate(cv2.morphologyEx(mask, cv2.MORPH_OPEN, tall), np.ones((1, 3), np.uint8))
    removed = mask & band & ~stroke
    rest = mask & ~removed
    return np.asarray(rest | (cv2.morphologyEx(rest, cv2.MORPH_CLOSE, tall) & removed), np.uint8)
