"""Finds the connected pieces of ink that may be writing, without frames, rings, rules and specks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.normalising import stroke_width
from serving_bot.reading.frames import drop_frames, find_boxes, usual_height
from serving_bot.reading.geometry import Box
from serving_bot.reading.ink import Mask, above
from serving_bot.reading.rules import drop_rules

MOST_PIECES = 900
"""More separate pieces of ink than this are a texture, which is not read."""

LEAST_SIDE = 0.02
"""Pieces with a longer side below this share of the picture's shorter side are specks."""

SPECK = 0.1
"""So are pieces below this share of the longest piece."""

FAINTEST = 0.3
"""Minimum contrast of faint ink that is separate and like a stroke, as a share of the strongest ink's."""

LEAST_AROUND = 0.5
"""A frame or ring lies beside at least this share of what it encloses, on each of the four sides."""

MOST_AROUND = 2.0
"""It is this thick there at most, in stroke widths; ink with more strokes is writing."""


class TooManyPiecesError(Exception):
    """There are more than `MOST_PIECES`."""


@dataclass(frozen=True)
class Strokes:
    """The ink of a picture that may be writing.

    Attributes:
        labels: int32 [height, width], the connected piece that a pixel belongs to.
        names: the label of each piece.
        boxes: around each piece.
        dropped: boxes of frames, rings and rules around or under the writing.
    """

    labels: npt.NDArray[np.int32]
    names: list[int]
    boxes: list[Box]
    dropped: list[Box]

    def mask(self, chosen: list[int]) -> Mask:
        """uint8 [height, width], 1 on the pieces with these indexes."""
        table = np.zeros(int(self.labels.max()) + 1, np.uint8)
        table[[self.names[index] for index in chosen]] = 1
        return np.asarray(table[self.labels], np.uint8)


def find_strokes(contrast: Mask, faint: float, strong: float, *, ruled: bool) -> Strokes:
    """Finds the connected pieces of ink.

    Args:
        contrast: uint8 [height, width], from `measure_contrast`.
        faint: contrast above which a pixel may be ink.
        strong: contrast above which a pixel certainly is ink.
        ruled: whether to find and remove printed lines.

    Raises:
        TooManyPiecesError: there are too many pieces.
    """
    mask = above(contrast, faint)
    dark = above(contrast, 0.8 * strong)
    usual = usual_height(find_boxes(mask))
    if ruled:  # rules fainter than the ink first: a darker line may be a frame's side
        unruled = drop_rules(mask, contrast, faint)
        usual = min(usual, usual_height(find_boxes(unruled)))
        mask = unruled | (mask & dark)
    mask, straight = drop_frames(mask, dark, usual)
    if ruled:
        mask = drop_rules(mask, contrast, faint)
    labels, names, boxes = _pieces(mask, contrast, strong)
    dropped = list(straight)
    for _ in range(3):  # a frame within a frame
        around = _enclosures(labels, names, boxes)
        if not around:
            break
        dropped += [boxes[index] for index in around]
        names = [name for index, name in enumerate(names) if index not in around]
        boxes = [box for index, box in enumerate(boxes) if index not in around]
    under = {index for index, box in enumerate(boxes) if _lies_under(box, boxes)}
    dropped += [boxes[index] for index in under]
    names = [name for index, name in enumerate(names) if index not in under]
    boxes = [box for index, box in enumerate(boxes) if index not in under]
    if boxes:
        labels, names, boxes = _add_faint(contrast, labels, names, boxes, max(FAINTEST * strong, 0.6 * faint), faint)
    return Strokes(labels, names, boxes, dropped)


def _pieces(mask: Mask, contrast: Mask, strong: float) -> tuple[npt.NDArray[np.int32], list[int], list[Box]]:
    """Connected pieces with a strong pixel, without specks and pieces along the picture's edge."""
    # (the algorithm of Grana et al., 2010, is OpenCV's fastest for eight neighbours here)
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_BBDT)
    certain = np.zeros(count, bool)
    certain[labels[(above(contrast, strong) & mask).view(bool)]] = True
    certain[0] = False
    sides = stats[:, 2:4].max(axis=1)
    names = np.flatnonzero(certain & (sides >= max(3.0, LEAST_SIDE * min(labels.shape)))).tolist()
    boxes = {name: Box(*(int(value) for value in stats[name, :4])) for name in names}
    names = [name for name in names if not _lies_along_border(labels, name, boxes[name])]
    if len(names) > MOST_PIECES:
        raise TooManyPiecesError
    return labels, names, [boxes[name] for name in names]


def _lies_along_border(labels: npt.NDArray[np.int32], name: int, box: Box) -> bool:
    """Whether a thin piece runs along the picture's edge: a table's edge, a shadow, a frame."""
    height, width = labels.shape
    touching = 0
    if box.left == 0:
        touching += int(np.count_nonzero(labels[:, 0] == name))
    if box.right == width:
        touching += int(np.count_nonzero(labels[:, -1] == name))
    if box.top == 0:
        touching += int(np.count_nonzero(labels[0] == name))
    if box.bottom == height:
        touching += int(np.count_nonzero(labels[-1] == name))
    thin, side = min(box.width, box.height), min(height, width)
    # (a digit cut by the edge is thicker than a line and shorter than a table)
    return touching > 0.6 * box.side and thin < (0.15 if box.side > 0.33 * side else 0.03) * side


def _enclosures(labels: npt.NDArray[np.int32], names: list[int], boxes: list[Box]) -> set[int]:
    """Indexes of pieces drawn around others: thin, with most of a smaller piece inside."""
    found = set()
    for index, box in enumerate(boxes):
        inner = [
            other
            for place, other in enumerate(boxes)
            if place != index
            and other.left > box.left
            and other.top > box.top
            and other.right < box.right
            and other.bottom < box.bottom
            and other.height > 0.25 * box.height
        ]
        if not inner:
            continue
        own = labels[box.top : box.bottom, box.left : box.right] == names[index]
        inner = [other for other in inner if _surrounds(own, box, other, labels.shape)]
        if not inner:
            continue
        within = max(other.height for other in inner)
        middle = own[box.height // 4 : -(box.height // 4) or None, box.width // 4 : -(box.width // 4) or None]
        hollow = np.count_nonzero(middle) < 0.12 * middle.size or len(inner) > 3
        if hollow and within < 0.85 * box.height:
            found.add(index)
    return found


def _surrounds(ink: npt.NDArray[np.bool_], box: Box, inner: Box, size: tuple[int, ...]) -> bool:
    """Whether a thin line runs on all four sides of a smaller box: beside most of its rows, above and below most of its
    columns. The edge of the picture counts as a line.

    Args:
        ink: bool [box.height, box.width], the line's ink.
        box: around the ink.
        inner: the smaller box, in pixels of the picture, as `box`.
        size: height and width of the picture.
    """
    left, top, right, bottom = (
        inner.left - box.left,
        inner.top - box.top,
        inner.right - box.left,
        inner.bottom - box.top,
    )
    rows, columns = ink[top:bottom], ink[:, left:right]
    sides = (
        (rows[:, :left].sum(axis=1), box.left == 0),
        (rows[:, right:].sum(axis=1), box.right == size[1]),
        (columns[:top].sum(axis=0), box.top == 0),
        (columns[bottom:].sum(axis=0), box.bottom == size[0]),
    )
    most = MOST_AROUND * stroke_width(ink.astype(np.float32))
    return all(
        (np.mean(side > 0) > LEAST_AROUND or at_edge) and side.sum() <= most * max(np.count_nonzero(side), 1)
        for side, at_edge in sides
    )


def _lies_under(rule: Box, boxes: list[Box]) -> bool:
    """Whether a flat piece underlines others: it lies close below them and is about as long."""
    if rule.width < 4 * rule.height:
        return False
    over = [
        box
        for box in boxes
        if box is not rule
        and box.height > 0.4 * rule.width / max(1, rule.width // max(box.height, 1))
        and min(box.right, rule.right) - max(box.left, rule.left) > 0.5 * box.width
        and 0.1 * box.height < rule.top - box.bottom < 0.6 * box.height
        and rule.height < 0.25 * box.height
        and box.width > rule.height
    ]
    if not over:
        return False
    return rule.width > 0.9 * (max(box.right for box in over) - min(box.left for box in over))


def _add_faint(
    contrast: Mask, labels: npt.NDArray[np.int32], names: list[int], boxes: list[Box], level: float, faint: float
) -> tuple[npt.NDArray[np.int32], list[int], list[Box]]:
    """Adds pieces of fainter ink that are separate from the stronger ink and about as large."""
    if level >= faint:
        return labels, names, boxes
    height = float(np.median([box.height for box in boxes if box.height >= 0.5 * max(one.height for one in boxes)]))
    known = cv2.dilate(np.isin(labels, names).astype(np.uint8), np.ones((5, 5), np.uint8))
    lower = above(contrast, level)
    count, more, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(lower, 8, cv2.CV_32S, cv2.CCL_BBDT)
    touched = np.zeros(count, bool)
    touched[np.unique(more[known > 0])] = True
    chosen = [
        name
        for name in range(1, count)
        if not touched[name]
        and 0.5 * height <= stats[name, 3] <= 1.8 * height
        and stats[name, 2] <= 1.5 * height
        and 0 < stats[name, 0] < lower.shape[1] - stats[name, 2]
        and stats[name, 4] < 0.6 * stats[name, 2] * stats[name, 3] + height
    ]
    if not chosen or len(chosen) > 2 * len(boxes) + 2:
        return labels, names, boxes
    first = int(labels.max()) + 1
    table = np.zeros(count, np.int32)
    table[chosen] = np.arange(first, first + len(chosen), dtype=np.int32)
    labels = np.where(table[more] > 0, table[more], labels)
    return (
        labels,
        names + list(range(first, first + len(chosen))),
        boxes + [Box(*(int(value) for value in stats[name, :4])) for name in chosen],
    )
