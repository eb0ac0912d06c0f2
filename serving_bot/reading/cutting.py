"""Over-segments a line of writing into pieces, and groups pieces that may be one digit.

Heuristic over-segmentation (LeCun et al., "Gradient-based learning applied to document recognition", 1998, section VI):
ink is cut wherever two digits might be joined; the network's answers for the groups decide which cuts to keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from serving_bot.reading.geometry import Box, stack
from serving_bot.reading.ink import Mask, quantile

MOST_PIECES = 6
"""Maximum pieces of a digit."""

WIDEST_DIGIT = 1.35
"""Maximum width of a digit, in heights of its line; a single piece may be wider."""

WIDEST_LONE = 1.6
"""Maximum width of a lone digit, in its own heights."""

WIDEST_BREAK = 0.3
"""Maximum distance between pieces of one digit, in heights of its line."""

SOLID = 0.9
"""A piece that is not long and fills at least this share of its box is not a stroke."""

LOWEST_CUT = 0.3
"""Components lower than this, in heights of the line, are not cut: bars, dots."""

LEAST_STEP = 0.1
"""Minimum distance between two cuts, in heights of the line."""

MOST_REACH = 0.9
"""Maximum extent of a column of ink where bulges touch, in heights of the line."""

MOST_STROKES_CUT = 2.6
"""Maximum ink that a cut goes through, in stroke widths."""


@dataclass(frozen=True)
class Piece:
    """Ink between two cuts, or a whole connected component.

    Attributes:
        box: in pixels of the line.
        mask: uint8 [box.height, box.width], 1 on this piece.
        area: pixels of ink.
        component: the connected component it comes from.
        cut: ink cut at its left edge, in stroke widths; 0.0 without a cut.
    """

    box: Box
    mask: Mask
    area: int
    component: int
    cut: float

    @property
    def solid(self) -> bool:
        """Whether this is a filled shape, not a stroke."""
        return self.area > SOLID * self.box.width * self.box.height and self.box.side < 2.2 * min(
            self.box.width, self.box.height
        )


@dataclass(frozen=True)
class Group:
    """Consecutive pieces that may be one digit.

    Attributes:
        first: index of the first piece.
        last: index of the last piece.
        box: around them, in pixels of the line.
        joins: greatest distance between neighbours, in heights of the line; negative if they overlap.
        torn: ink cut along its edges, in stroke widths.
        lone: whether it is alone in its line.
    """

    first: int
    last: int
    box: Box
    joins: float
    torn: float
    lone: bool = False


def cut(mask: Mask, height: float, stroke: float) -> list[Piece]:
    """The pieces of a line, ordered by their middles from left to right.

    Args:
        mask: uint8 [height, width], 1 on ink.
        height: of the line's digits, in pixels.
        stroke: mean width of a stroke, in pixels.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_BBDT)
    pieces = []
    for index in range(1, count):
        box = Box(*(int(value) for value in stats[index, :4]))
        if stats[index, 4] < 0.3 * stroke * stroke or box.side < 0.05 * height:
            continue
        own = (labels[box.top : box.bottom, box.left : box.right] == index).astype(np.uint8)
        whole = Piece(box, own, int(stats[index, 4]), index, 0.0)
        cuts = [] if whole.solid else _find_cuts(own, height, stroke)
        edges = [(0, 0.0), *cuts, (box.width, 0.0)]
        for (left, ink), (right, _) in pairwise(edges):
            piece = _piece(own[:, left:right], box.left + left, box.top, index, ink)
            if piece is not None:
                pieces.append(piece)
    return sorted(pieces, key=lambda piece: piece.box.left + piece.box.right)


def group(pieces: list[Piece], height: float) -> list[Group]:
    """All runs of pieces that may be one digit.

    Args:
        pieces: from `cut`.
        height: of the line's digits, in pixels.
    """
    groups = []
    for first, piece in enumerate(pieces):
        box, joins = piece.box, -1.0
        for last in range(first, min(first + MOST_PIECES, len(pieces))):
            other = pieces[last].box
            if last > first:
                gap = max(other.left - box.right, other.top - box.bottom, box.top - other.bottom) / height
                joins = max(joins, gap)
                box = box.union(other)
                if joins > WIDEST_BREAK or box.width > WIDEST_DIGIT * height:
                    break
            torn = piece.cut
            after = pieces[last + 1] if last + 1 < len(pieces) else None
            if after is not None and after.component == pieces[last].component:
                torn += after.cut
            if not any(one.solid and one.box.height > 0.4 * height for one in pieces[first : last + 1]):
                groups.append(Group(first, last, box, joins, torn))
    around = _around(pieces)
    solid = any(piece.solid and piece.box.height > 0.4 * height for piece in pieces)
    if around is not None and not solid and around.width <= WIDEST_LONE * around.height:
        groups = [one for one in groups if one.first > 0 or one.last < len(pieces) - 1]
        groups.append(Group(0, len(pieces) - 1, around, 0.0, 0.0, lone=True))
    return groups


def _around(pieces: list[Piece]) -> Box | None:
    """The box around all pieces if their positions fit the strokes of one digit, else None."""
    parts: dict[int, Box] = {}
    for piece in pieces:
        box = parts.get(piece.component, piece.box)
        parts[piece.component] = box.union(piece.box)
    clusters = stack(list(parts.values()))
    return clusters[0][0] if len(clusters) == 1 else None


def lift(contrast: Mask, pieces: list[Piece], chosen: Group, strong: float) -> npt.NDArray[np.float32]:
    """The ink of a group alone: float32 [box.height, box.width] in 0..1."""
    box = chosen.box
    own = np.zeros((box.height + 2, box.width + 2), np.uint8)
    for piece in pieces[chosen.first : chosen.last + 1]:
        top, left = piece.box.top - box.top + 1, piece.box.left - box.left + 1
        own[top : top + piece.box.height, left : left + piece.box.width] |= piece.mask
    # One more pixel keeps the soft edge; the rest of the neighbourhood belongs to other digits.
    own = cv2.dilate(own, np.ones((3, 3), np.uint8))
    padded = cv2.copyMakeBorder(
        contrast[max(box.top - 1, 0) : box.bottom + 1, max(box.left - 1, 0) : box.right + 1],
        int(box.top == 0),
        int(box.bottom >= contrast.shape[0]),
        int(box.left == 0),
        int(box.right >= contrast.shape[1]),
        cv2.BORDER_CONSTANT,
        value=0,
    )
    values = padded * own
    inked = values[values > strong]
    full = quantile(inked, 0.5) if inked.size else float(max(values.max(), 1))
    return np.asarray(np.minimum(values * np.float32(1 / full), np.float32(1)))


def _piece(own: Mask, left: int, top: int, component: int, ink: float) -> Piece | None:
    area = cv2.countNonZero(own)
    if area == 0:
        return None
    x, y, width, height = cv2.boundingRect(own)
    return Piece(Box(left + x, top + y, width, height), own[y : y + height, x : x + width], area, component, ink)


def _find_cuts(own: Mask, height: float, stroke: float) -> list[tuple[int, float]]:
    """Columns where a component may be cut, with the ink cut there, in stroke widths."""
    width = own.shape[1]
    margin = max(2, round(LEAST_STEP * height))
    if width < 0.4 * height or width < 3 * margin or len(own) < LOWEST_CUT * height:
        return []
    ink = own.sum(axis=0).astype(np.float32)
    blur = (max(3, round(0.5 * stroke) | 1), 1)
    rows = np.arange(own.shape[0])[:, np.newaxis]
    upper = np.where(own > 0, rows, own.shape[0]).min(axis=0)
    lower = np.where(own > 0, rows, -1).max(axis=0)
    reach = (lower - upper + 1).astype(np.float32)
    low = own.shape[0] - upper.astype(np.float32)
    high = lower.astype(np.float32)
    walls = [x for x in _walls(own, height, stroke) if margin <= x < width - margin]
    candidates = [(0.0, x) for x in walls]
    # Strokes that join two digits are thin columns; touching bulges are low columns, or leave a notch above or below.
    for profile, most in ((ink, 2.6 * stroke), (reach, 0.9 * height), (low, np.inf), (high, np.inf)):
        smooth = cv2.blur(profile[np.newaxis].astype(np.float32), blur)[0]
        lowest = cv2.erode(smooth[np.newaxis], np.ones((1, 2 * margin + 1), np.uint8))[0]
        minima = np.flatnonzero((smooth <= most) & (smooth <= lowest))
        for x in minima[(minima >= margin) & (minima < width - margin)].tolist():
            if profile is low or profile is high:
                wide = 2 * margin
                depth = min(smooth[max(0, x - wide) : x + 1].max(), smooth[x : x + wide + 1].max()) - smooth[x]
                if depth < 0.06 * height:
                    continue
            candidates.append((float(ink[x]), x))
    chosen: list[int] = []
    for _, x in sorted(candidates):
        if all(abs(x - other) >= margin for other in chosen):
            chosen.append(x)
    return [(x, min(float(ink[x]) / stroke, 1.0) if x in walls else float(ink[x]) / stroke) for x in sorted(chosen)]


def _walls(own: Mask, height: float, stroke: float) -> list[int]:
    """The middles of walls between two adjacent loops: both loops stay closed if they are cut there."""
    contours, hierarchy = cv2.findContours(own, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if hierarchy is None:
        return []
    holes = sorted(
        (
            Box(*cv2.boundingRect(contour))
            for contour, (_, _, _, parent) in zip(contours, hierarchy[0], strict=True)
            if parent >= 0
        ),
        key=lambda hole: hole.left,
    )
    large = [hole for hole in holes if hole.width > 0.08 * height and hole.height > 0.12 * height]
    return [
        (one.right + other.left) // 2
        for one, other in pairwise(large)
        if -0.3 * min(one.width, other.width) < other.left - one.right < 3 * stroke
        and min(one.bottom, other.bottom) - max(one.top, other.top) > 0.3 * min(one.height, other.height)
    ]
