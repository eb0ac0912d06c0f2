"""Where the digits are: ink becomes strokes, strokes are joined into digits, digits are put in reading order."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from serving_bot.reading.ink import Mask, Pixels, above, find_levels, measure_contrast, quantile
from serving_bot.reading.rules import drop_rules

SMALL_SIDE = 160
"""A picture whose shorter side is below this is enlarged first, so that edges are found to a part of a pixel."""

MIN_HEIGHT = 0.3
"""Least longer side of a digit as a share of the longest one in the picture; smaller things are specks."""

MAX_DIGITS = 100
"""More digits than this are not read, which keeps the time and the answer short."""

MAX_PIECES = 160
"""More separate pieces of ink than this are not looked at: that many digits, some of them in several pieces."""

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, `left` and `top` inside."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column outside."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row outside."""
        return self.top + self.height

    @property
    def side(self) -> int:
        """The longer side."""
        return max(self.width, self.height)

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        return Box(left, top, max(self.right, other.right) - left, max(self.bottom, other.bottom) - top)

    def scaled(self, factor: float) -> Box:
        """The box in a picture whose sides are `factor` times as long."""
        left, top = round(self.left * factor), round(self.top * factor)
        return Box(left, top, round(self.right * factor) - left, round(self.bottom * factor) - top)


@dataclass(frozen=True)
class Found:
    """One thing that may be a digit.

    Attributes:
        box: in pixels of the picture that was searched.
        ink: float32 [box.height, box.width] in 0..1, this digit's ink alone.
    """

    box: Box
    ink: Plane


class TooManyDigitsError(Exception):
    """There are more than `MAX_DIGITS` or `MAX_PIECES`: a long table, or a texture."""


def find(pixels: Pixels) -> list[Found]:
    """Finds what may be digits in an RGB picture.

    Args:
        pixels: uint8 [height, width, 3].

    Returns:
        One entry per digit in reading order: lines from the top, each from left to right. Empty where there is no ink.

    Raises:
        TooManyDigitsError: there is more than is read.
    """
    zoom = -(-SMALL_SIDE // min(pixels.shape[:2])) if min(pixels.shape[:2]) < SMALL_SIDE else 1
    if zoom > 1:
        pixels = cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    contrast = measure_contrast(pixels, zoom)
    levels = find_levels(contrast)
    if levels is None:
        return []
    faint, strong = levels
    mask = above(contrast, faint)
    if zoom == 1:
        mask = drop_rules(mask, contrast, faint)
    labels, groups = _strokes(mask, contrast, strong)
    groups = _join(groups)
    if len(groups) > MAX_DIGITS:
        raise TooManyDigitsError
    return [_cut(contrast, labels, group, strong, zoom) for group in _reading_order(groups)]


def _strokes(mask: Mask, contrast: Mask, strong: float) -> tuple[npt.NDArray[np.int32], list[tuple[Box, list[int]]]]:
    """Connected pieces of ink that hold a strong pixel and are no specks."""
    # (of OpenCV's algorithms for eight neighbours that of Grana et al., 2010, is the fastest here)
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_BBDT)
    certain = np.zeros(count, bool)
    certain[labels[(above(contrast, strong) & mask).view(bool)]] = True
    certain[0] = False
    least = max(3.0, 0.02 * min(labels.shape))
    large = np.flatnonzero(certain & (stats[:, 2:4].max(axis=1) >= least)).tolist()
    boxes = {index: Box(*(int(value) for value in stats[index, :4])) for index in large}
    kept = [index for index in large if not _lies_along_border(labels, index, boxes[index])]
    if not kept:
        return labels, []
    longest = max(boxes[index].side for index in kept)
    kept = [index for index in kept if boxes[index].side >= 0.15 * longest]
    if len(kept) > MAX_PIECES:
        raise TooManyDigitsError
    return labels, [(boxes[index], [index]) for index in kept]


def _lies_along_border(labels: npt.NDArray[np.int32], index: int, box: Box) -> bool:
    """Whether a thin piece runs along the picture's edge: a table's edge, a shadow, a frame."""
    height, width = labels.shape
    touching = 0
    if box.left == 0:
        touching += int(np.count_nonzero(labels[:, 0] == index))
    if box.right == width:
        touching += int(np.count_nonzero(labels[:, -1] == index))
    if box.top == 0:
        touching += int(np.count_nonzero(labels[0] == index))
    if box.bottom == height:
        touching += int(np.count_nonzero(labels[-1] == index))
    return touching > 0.6 * box.side and min(box.width, box.height) < 0.15 * min(height, width)


def _join(groups: list[tuple[Box, list[int]]]) -> list[tuple[Box, list[int]]]:
    joined: list[tuple[Box, list[int]]] = []
    for group in groups:
        whole = group
        while near := [other for other in joined if _belong(whole[0], other[0])]:
            for other in near:  # a larger box may reach what the smaller one did not
                joined.remove(other)
                whole = (whole[0].union(other[0]), whole[1] + other[1])
        joined.append(whole)
    groups = joined
    if not groups:
        return []
    longest = max(box.side for box, _ in groups)
    return [g for g in groups if g[0].side >= MIN_HEIGHT * longest]


def _belong(a: Box, b: Box) -> bool:
    across = min(a.right, b.right) - max(a.left, b.left)
    down = min(a.bottom, b.bottom) - max(a.top, b.top)
    tall = max(a.height, b.height)
    if across > 0 and down > 0:
        return True
    low, high = sorted((a, b), key=lambda box: box.height)
    bar = low.width > 1.8 * low.height and low.height < 0.45 * high.height
    if bar and low.bottom <= high.top + 0.2 * high.height and across > -0.1 * tall and -down < 0.3 * tall:
        return True  # the bar of a 5 or a 7 that its hook does not reach
    if across < 0.5 * min(a.width, b.width):
        return False
    return -down < (0.6 if bar else 0.15) * tall and low.height < 0.7 * tall


def _reading_order(groups: list[tuple[Box, list[int]]]) -> list[tuple[Box, list[int]]]:
    lines: list[list[tuple[Box, list[int]]]] = []
    for group in sorted(groups, key=lambda g: g[0].top + g[0].height / 2):
        middle = group[0].top + group[0].height / 2
        for line in lines:
            if any(box.top <= middle < box.bottom for box, _ in line):
                line.append(group)
                break
        else:
            lines.append([group])
    return [group for line in lines for group in sorted(line, key=lambda g: g[0].left)]


def _cut(
    contrast: Mask, labels: npt.NDArray[np.int32], group: tuple[Box, list[int]], strong: float, zoom: int
) -> Found:
    box, members = group
    view = (slice(max(box.top - 1, 0), box.bottom + 1), slice(max(box.left - 1, 0), box.right + 1))
    pieces = labels[view]
    own = np.logical_or.reduce([pieces == member for member in members]).astype(np.uint8)
    # One pixel more keeps the soft edge; the rest of the neighbourhood is not this digit's.
    values = contrast[view] * cv2.dilate(own, np.ones((3, 3), np.uint8))
    full = quantile(values[values > strong], 0.5)
    ink = np.minimum(values * np.float32(1 / full), np.float32(1))
    left, top = box.left // zoom, box.top // zoom
    return Found(Box(left, top, -(-box.right // zoom) - left, -(-box.bottom // zoom) - top), ink)
