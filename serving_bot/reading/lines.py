"""Groups ink into lines of writing, and straightens each line."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from serving_bot.reading.geometry import Box, stack
from serving_bot.reading.ink import Mask, above

MOST_TILT = 24
"""Maximum slope of a line, in degrees."""

LINE_HEIGHT = 64
"""Approximate height of the digits when a line is read, in pixels."""

MOST_SLANT = 0.9
"""Maximum slant of strokes, in widths per height."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One line of writing, straightened.

    Attributes:
        contrast: uint8 [height, width], its ink only, 0 elsewhere.
        mask: uint8 [height, width], 1 on ink.
        height: of its digits, in pixels.
        stroke: mean width of a stroke, in pixels.
        matrix: float64 [2, 3], from pixels of the picture to pixels of the line.
    """

    contrast: Mask
    mask: Mask
    height: float
    stroke: float
    matrix: Matrix

    def place(self, box: Box) -> Box:
        """The position in the picture of a box of the line, as an upright rectangle."""
        corners = np.array([[x, y, 1.0] for x in (box.left, box.right) for y in (box.top, box.bottom)])
        points = corners @ cv2.invertAffineTransform(self.matrix).T
        left, top = np.floor(points.min(axis=0) + 0.01).astype(int).tolist()
        right, bottom = np.ceil(points.max(axis=0) - 0.01).astype(int).tolist()
        return Box(left, top, right - left, bottom - top)

    def leaned(self, lean: float) -> Line:
        """The line sheared by `lean` widths per height; a negative `lean` moves the top to the right."""
        height, width = self.mask.shape
        low = min(0.0, lean * height)
        shear = np.array([[1.0, lean, -low], [0.0, 1.0, 0.0]])
        size = (width + int(np.ceil(abs(lean) * height)), height)
        contrast = np.asarray(cv2.warpAffine(self.contrast, shear, size), np.uint8)
        mask = above(np.asarray(cv2.warpAffine(self.mask * 255, shear, size), np.uint8), 127)
        return Line(contrast, mask, self.height, _stroke(mask), shear @ np.vstack([self.matrix, [0.0, 0.0, 1.0]]))


def find_tilt(boxes: list[Box]) -> float:
    """The slope of the lines to the right: the one across which the middles of the boxes are densest."""
    if len(boxes) < 2:
        return 0.0
    middles = np.array([(box.left + box.width / 2, box.top + box.height / 2) for box in boxes])
    height = float(np.median([box.height for box in boxes]))
    slopes = np.tan(np.deg2rad(np.arange(-MOST_TILT, MOST_TILT + 1, 2)))
    across = (middles[:, 1:] - middles[:, :1] * slopes) / height
    distance = np.abs(across[:, np.newaxis] - across[np.newaxis])
    score = np.exp(-((distance / 0.25) ** 2)).sum(axis=(0, 1)) / len(boxes)
    level = score[len(slopes) // 2]
    best = int(score.argmax())
    return float(slopes[best]) if score[best] > 1.25 * level + 0.1 else 0.0


def group_into_lines(boxes: list[Box]) -> list[list[int]]:
    """The indexes of boxes by line: lines from top to bottom, each from left to right.

    Each box is linked to the nearest box on its right at the same height; a line follows these links, so it may bend. A
    small box belongs to the line next to it.
    """
    clusters = stack(boxes)
    lines = _link([cluster[0] for cluster in clusters])
    return [[index for place in line for index in clusters[place][1]] for line in lines]


def _link(boxes: list[Box]) -> list[list[int]]:
    """The lines of clusters, as in `group_into_lines`."""
    if not boxes:
        return []
    slope = find_tilt([box for box in boxes if box.height >= 0.5 * max(one.height for one in boxes)])
    middle = [box.top + box.height / 2 - slope * (box.left + box.width / 2) for box in boxes]
    parent = list(range(len(boxes)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    order = sorted(range(len(boxes)), key=lambda index: boxes[index].left + boxes[index].right)
    for place, index in enumerate(order):
        near = None
        for other in order[place + 1 :]:
            low, high = sorted((boxes[index].height, boxes[other].height))
            gap = boxes[other].left - boxes[index].right
            if near is not None and gap > near[0]:
                break
            reach = 0.5 * high if low > 0.5 * high else 0.7 * high
            if abs(middle[index] - middle[other]) < reach and (near is None or gap < near[0]):
                near = (gap, other)
        if near is not None:
            parent[root(near[1])] = root(index)
    lines: dict[int, list[int]] = {}
    for index in order:
        lines.setdefault(root(index), []).append(index)

    def top(line: list[int]) -> float:
        tallest = max(boxes[index].height for index in line)
        return float(np.median([middle[index] for index in line if boxes[index].height >= 0.5 * tallest]))

    return sorted(lines.values(), key=top)


def lay(contrast: Mask, own: Mask, boxes: list[Box], level: float) -> Line:
    """Straightens a line: level, with upright strokes, and digits `LINE_HEIGHT` pixels high.

    Args:
        contrast: uint8 [height, width], the picture's ink.
        own: uint8 [height, width], 1 on this line's ink.
        boxes: of its connected components.
        level: contrast above which a pixel is ink.
    """
    clusters = stack(boxes)
    strokes = [clusters[0][0]] if len(clusters) == 1 else boxes  # the strokes of a lone digit may be short
    tallest = max(box.height for box in strokes)
    large = [box for box in strokes if box.height >= 0.6 * tallest]
    height = float(np.median([box.height for box in large]))
    around = large[0]
    for box in boxes:
        around = around.union(box)
    slope = 0.0
    if len(large) > 1:
        x = np.array([box.left + box.width / 2 for box in large])
        y = np.array([box.top + box.height / 2 for box in large])
        slope = float(np.polyfit(x, y, 1)[0]) if np.ptp(x) > 1.2 * height else 0.0
        slope = slope if abs(slope) > 0.03 else 0.0
    scale = LINE_HEIGHT / height if height > 2.7 * LINE_HEIGHT or height < 0.6 * LINE_HEIGHT else 1.0
    pad = 2
    view = (
        slice(max(around.top - pad, 0), around.bottom + pad),
        slice(max(around.left - pad, 0), around.right + pad),
    )
    ink = contrast[view] * cv2.dilate(own[view], np.ones((3, 3), np.uint8))
    slant = find_slant(own[view], height) if len(boxes) > 1 or around.width > 1.2 * around.height else 0.0
    origin = view[1].start, view[0].start
    if slope == 0 and slant == 0 and scale == 1:
        matrix = np.array([[1.0, 0, -origin[0]], [0, 1, -origin[1]]])
        return Line(ink, own[view] * above(ink, level), height, _stroke(above(ink, level)), matrix)
    # first level (rows move by the slope), then upright (columns move by the slant)
    linear = scale * np.array([[1, slant], [0, 1]]) @ np.array([[1, 0], [-slope, 1]])
    corners = np.array([[x, y] for x in (0, ink.shape[1]) for y in (0, ink.shape[0])]) @ linear.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    within = np.column_stack([linear, -low])
    size = (int(np.ceil(high[0] - low[0])), int(np.ceil(high[1] - low[1])))
    if scale < 1:  # averaged, not sampled; thin strokes are thickened first so they do not fade
        if _stroke(own[view]) * scale < 2:
            ink = cv2.dilate(ink, np.ones((max(1, round(0.7 / scale)),) * 2, np.uint8))
        small = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        laid = cv2.warpAffine(small, np.column_stack([linear / scale, -low]), size, flags=cv2.INTER_LINEAR)
    else:
        laid = cv2.warpAffine(ink, within, size, flags=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR)
    laid = np.asarray(laid, np.uint8)
    mask = above(laid, level)
    matrix = within @ np.array([[1.0, 0, -origin[0]], [0, 1, -origin[1]], [0, 0, 1]])
    return Line(laid, mask, height * scale, _stroke(mask), matrix)


def find_slant(own: Mask, height: float) -> float:
    """The slant of strokes to the right, in widths per height: the shear at which columns are either full or empty.

    (Vinciarelli and Luettin, "A new normalization technique for cursive handwritten words", 2001, use the same sign.)
    """
    factor = min(1.0, 32 / height)
    small = cv2.resize(own * 255, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    y, x = np.nonzero(small > 100)
    if len(x) < 8:
        return 0.0
    y = y - small.shape[0]
    shears = np.linspace(-MOST_SLANT, MOST_SLANT, 25)
    best, chosen = -1.0, 0.0
    for shear in shears:
        columns = np.rint(x + shear * y).astype(np.int64)
        columns -= columns.min()
        profile = np.bincount(columns).astype(np.float64)
        score = float((profile**2).sum()) * (1 - 0.1 * abs(shear))
        if score > best:
            best, chosen = score, float(shear)
    return chosen if abs(chosen) > 0.1 else 0.0


def _stroke(mask: Mask) -> float:
    """Mean stroke width of a mask in pixels: twice the area over the outline."""
    solid = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    outline = cv2.countNonZero(cv2.absdiff(solid[:, 1:], solid[:, :-1])) + cv2.countNonZero(
        cv2.absdiff(solid[1:], solid[:-1])
    )
    return max(1.0, 2.0 * cv2.countNonZero(solid) / max(outline * np.pi / 4, 1.0))
