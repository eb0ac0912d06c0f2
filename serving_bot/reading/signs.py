"""Recognises signs between digits by their shape, because the network knows only the ten digits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from serving_bot.reading.cutting import Group, Piece
from serving_bot.reading.geometry import Box

DOT = 0.3
"""Maximum longer side of a dot, in line heights."""

MOST_PARTS = 3
"""Maximum components of a sign."""

BAR = 1.8
"""Minimum ratio of a bar's width to its height."""

LEAST_DOUBLED = 0.3
"""A shape with two strokes in at least this share of its columns is not a bar."""

LEAST_ON_CROSS = 0.87
"""Minimum share of a plus or times sign on its two strokes."""


def name_sign(pieces: list[Piece], group: Group, height: float, stroke: float, bottom: float) -> str | None:
    """The sign that a group of whole components forms, or None: one of ``. : − = + × ÷ ( ) /``.

    Args:
        pieces: the line's pieces.
        group: a group of up to three pieces.
        height: of the line's digits, in pixels.
        stroke: mean width of a stroke, in pixels.
        bottom: of the line's digits, in pixels.
    """
    own = sorted(_components(pieces[group.first : group.last + 1]), key=lambda piece: piece.box.top)
    if group.torn > 0 or len(own) > MOST_PARTS:
        return None
    kinds = "".join("." if _is_dot(one, height) else "-" if _is_bar(one, height) else "?" for one in own)
    if kinds == ".":
        return "." if own[0].box.top + own[0].box.bottom > 2 * (bottom - 0.3 * height) else None
    if kinds in ("-", "..", "--", ".-."):
        stacked = all(_above(one.box, other.box) for one, other in pairwise(own))
        return {"-": "−", "..": ":", "--": "=", ".-.": "÷"}[kinds] if stacked else None
    return _name_stroke(own[0], height, stroke) if kinds == "?" else None


def _name_stroke(piece: Piece, height: float, stroke: float) -> str | None:
    """The sign that a single component forms, or None."""
    box, mask = piece.box, piece.mask
    if 0.2 * height < box.side < 1.0 * height and 0.6 < box.width / box.height < 1.7:
        return _cross(mask, stroke)
    if box.height >= 0.75 * height and box.width < 0.75 * box.height:
        return _stroke_sign(mask, height, stroke)
    return None


def _components(pieces: list[Piece]) -> list[Piece]:
    """The pieces without the cuts between them."""
    whole: dict[int, Piece] = {}
    for piece in pieces:
        other = whole.get(piece.component)
        if other is None:
            whole[piece.component] = piece
            continue
        box = piece.box.union(other.box)
        mask = np.zeros((box.height, box.width), np.uint8)
        for part in (piece, other):
            top, left = part.box.top - box.top, part.box.left - box.left
            mask[top : top + part.box.height, left : left + part.box.width] |= part.mask
        whole[piece.component] = Piece(box, mask, piece.area + other.area, piece.component, 0.0)
    return list(whole.values())


def _is_dot(piece: Piece, height: float) -> bool:
    box = piece.box
    return (
        box.side < DOT * height
        and min(box.width, box.height) > 0.4 * box.side
        and piece.area > 0.5 * box.width * box.height
    )


def _is_bar(piece: Piece, height: float) -> bool:
    box = piece.box
    if box.width <= BAR * box.height or box.height >= 0.35 * height or box.width <= 0.2 * height:
        return False
    edges = np.abs(np.diff(piece.mask.astype(np.int8), axis=0, prepend=0, append=0)).sum(axis=0)
    return bool((edges > 2).mean() < LEAST_DOUBLED)  # (flat 0s have two)


def _above(one: Box, other: Box) -> bool:
    across = min(one.right, other.right) - max(one.left, other.left)
    return one.bottom <= other.top + 2 and across > 0.5 * min(one.width, other.width)


def _cross(mask: npt.NDArray[np.uint8], stroke: float) -> str | None:
    """``+`` or ``×``: two strokes that cross in the middle, and nothing else."""
    y, x = np.nonzero(mask)
    high, wide = mask.shape
    reach = 1.2 * stroke + 1
    if reach > 0.22 * min(high, wide):
        return None  # too thick to recognise
    column, row = float(np.argmax(mask.sum(axis=0))), float(np.argmax(mask.sum(axis=1)))
    if 0.25 < column / wide < 0.75 and 0.25 < row / high < 0.75:
        on = (np.abs(x - np.median(x)) <= reach) | (np.abs(y - np.median(y)) <= reach)
        arms = mask.sum(axis=0).max() > 0.6 * high and mask.sum(axis=1).max() > 0.7 * wide
        if on.mean() >= LEAST_ON_CROSS and arms:
            return "+"
    u, v = x / max(wide - 1, 1), y / max(high - 1, 1)
    near = reach / max(min(high, wide), 1)
    falling, rising = np.abs(u - v) <= near, np.abs(u + v - 1) <= near
    corners = [((u < 0.3) & (v < 0.3)), ((u > 0.7) & (v > 0.7)), ((u > 0.7) & (v < 0.3)), ((u < 0.3) & (v > 0.7))]
    if (falling | rising).mean() >= LEAST_ON_CROSS and all(corner.mean() > 0.08 for corner in corners):
        return "×"
    return None


def _stroke_sign(mask: npt.NDArray[np.uint8], height: float, stroke: float) -> str | None:
    """``(``, ``)`` or ``/``: one stroke from top to bottom that bends to one side, or leans far."""
    inked = mask.any(axis=1)
    wide = mask.sum(axis=1)[inked]
    doubled = np.abs(np.diff(mask.astype(np.int8), axis=1)).sum(axis=1) > 2
    if wide.max() > 2.8 * stroke + 1 or doubled.mean() > 0.08:
        return None
    middles = (np.arange(mask.shape[1]) * mask).sum(axis=1)[inked] / wide
    tenth = max(1, len(middles) // 8)
    top, bottom = float(middles[:tenth].mean()), float(middles[-tenth:].mean())
    centre = float(middles[len(middles) * 3 // 8 : len(middles) * 5 // 8 + 1].mean())
    bend = (top + bottom) / 2 - centre
    if abs(bend) > 0.1 * len(middles) and abs(top - bottom) < 0.6 * abs(bend):
        return "(" if bend > 0 else ")"
    if top - bottom > 0.42 * len(middles) and abs(bend) < 0.06 * len(middles):
        return "/"
    return None
