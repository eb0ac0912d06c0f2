"""Finds the likeliest path through a line: the groups of pieces that are digits, and the pieces to skip.

Viterbi's algorithm over the groups, as in LeCun et al., 1998, section VI; hypotheses have costs in nats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serving_bot.reading.cutting import Group, Piece
from serving_bot.reading.geometry import Box

SAME = 0.6
"""Groups that overlap by more than this and have the same class are the same digit."""


@dataclass(frozen=True)
class Costs:
    """The costs of a hypothesis; chosen with benchmarks/reader.py on the photos' kinds.

    Attributes:
        doubt: factor of the network's -log p, times the square root of the group's width in heights of the line.
        torn: per stroke width of cut ink.
        bridged: per line height between joined pieces.
        wide: per line height of width beyond 0.85.
        low: per line height that a digit is lower than 0.7.
        tiny: per line height that a digit is lower than 0.35.
        piece: per additional piece.
        tall: per line height that a digit is taller than 1.4.
        skipped: for a skipped piece, per line height of its longer side beyond `speck`.
        fragment: extra, for skipping a part of a connected component.
        hollow: extra, for skipping a piece that is not a dot.
        speck: longer side of pieces that are skipped at no cost, in line heights.
        lone: discount for a group that is alone in its line.
        sign: for a group with the shape of a sign.
        spread: nats by which a path must be worse to weigh e times less.
    """

    doubt: float = 3.2
    torn: float = 0.55
    bridged: float = 6.0
    wide: float = 1.5
    low: float = 10.0
    tiny: float = 6.0
    piece: float = 0.26
    tall: float = 1.0
    skipped: float = 4.8
    fragment: float = 1.0
    hollow: float = 2.1
    speck: float = 0.23
    lone: float = 3.0
    sign: float = 0.05
    spread: float = 1.0


COSTS = Costs()


@dataclass(frozen=True)
class Step:
    """One step of the path.

    Attributes:
        group: index of the group that is a digit or a sign; None for a skipped piece.
        sign: the sign; None for a digit or a skipped piece.
        piece: index of the first piece.
        gain: log likelihood ratio of the digit to skipping its pieces, in nats; 0.0 for a skipped piece.
        share: likelihood-weighted share of all paths that have this digit here, with more or fewer specks.
    """

    group: int | None
    sign: str | None
    piece: int
    gain: float
    share: float


def find_path(
    pieces: list[Piece],
    groups: list[Group],
    probabilities: npt.NDArray[np.float64],
    height: float,
    signs: list[str | None],
    costs: Costs = COSTS,
) -> list[Step]:
    """The cheapest path from the first piece to the last.

    Args:
        pieces: from `cutting.cut`.
        groups: from `cutting.group`.
        probabilities: float64 [groups, 10], calibrated.
        height: of the line's digits, in pixels.
        signs: the sign that each group may be.
        costs: costs of the hypotheses.
    """
    skip = skip_costs(pieces, height, costs)
    classes = probabilities.argmax(axis=1)
    of_groups: list[float] = group_costs(groups, probabilities.max(axis=1, keepdims=True), height, costs)[:, 0].tolist()
    arcs: list[tuple[int, int, float, int | None, str | None]]
    arcs = [(place, place + 1, cost, None, None) for place, cost in enumerate(skip)]
    for number, one in enumerate(groups):
        arcs.append((one.first, one.last + 1, of_groups[number], number, None))
        if signs[number] is not None:
            arcs.append((one.first, one.last + 1, costs.sign, number, signs[number]))
    arcs.sort(key=lambda arc: arc[0])
    total = np.full(len(pieces) + 1, np.inf)
    total[0] = 0.0
    back: list[tuple[int, float, int | None, str | None]] = [(0, 0.0, None, None)] * (len(pieces) + 1)
    before = np.full(len(pieces) + 1, -np.inf)  # log of the weight of all paths up to a place
    before[0] = 0.0
    for start, end, cost, index, sign in arcs:
        if total[start] + cost < total[end]:
            total[end], back[end] = total[start] + cost, (start, cost, index, sign)
        before[end] = np.logaddexp(before[end], before[start] - cost / costs.spread)
    after = np.full(len(pieces) + 1, -np.inf)
    after[-1] = 0.0
    for start, end, cost, _, _ in reversed(arcs):
        after[start] = np.logaddexp(after[start], after[end] - cost / costs.spread)
    steps = []
    place = len(pieces)
    while place > 0:
        start, cost, chosen, sign = back[place]
        gain = 0.0 if chosen is None or sign else sum(skip[start:place]) - cost
        same = [(start, place, cost)]
        if chosen is not None and sign is None:
            same = [
                (one.first, one.last + 1, of_groups[other])
                for other, one in enumerate(groups)
                if classes[other] == classes[chosen] and _overlap(one.box, groups[chosen].box) > SAME
            ]
        share = sum(
            float(np.exp(before[one] - nats / costs.spread + after[other] - before[-1])) for one, other, nats in same
        )
        steps.append(Step(chosen, sign, start, gain, share))
        place = start
    return steps[::-1]


def skip_costs(pieces: list[Piece], height: float, costs: Costs = COSTS) -> list[float]:
    """The cost of skipping each piece."""
    parts: dict[int, int] = {}
    for piece in pieces:
        parts[piece.component] = parts.get(piece.component, 0) + 1
    return [
        0.02
        + costs.skipped * max(0.0, piece.box.side / height - costs.speck)
        + (costs.hollow if piece.box.height > 0.18 * height and _is_hollow(piece) else 0.0)
        + (costs.fragment if parts[piece.component] > 1 else 0.0)
        for piece in pieces
    ]


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    common = max(0, across) * max(0, down)
    return common / max(1, one.width * one.height + other.width * other.height - common)


def _is_hollow(piece: Piece) -> bool:
    """Whether little of a piece's box is ink, so it is not a dot, dash or smudge."""
    return piece.area < 0.55 * piece.box.width * piece.box.height


def group_costs(
    groups: list[Group], probabilities: npt.NDArray[np.float64], height: float, costs: Costs = COSTS
) -> npt.NDArray[np.float64]:
    """The cost of each group as a digit, float64 [groups, N], for probabilities [groups, N]."""
    doubt = -np.log(np.maximum(probabilities, 1e-12))
    unit = [costs.doubt * max(one.box.width / height, 0.25) ** 0.5 for one in groups]
    shape = [_shape_cost(one, height, costs) for one in groups]
    return np.asarray(doubt * np.reshape(unit, (-1, 1)) + np.reshape(shape, (-1, 1)))


def _shape_cost(group: Group, height: float, costs: Costs) -> float:
    """The part of the cost that the group's shape decides."""
    wide, high = group.box.width / height, group.box.height / height
    if group.lone:
        return -costs.lone
    return (
        costs.torn * group.torn
        + costs.bridged * max(0.0, group.joins)
        + costs.wide * max(0.0, wide - 0.85)
        + costs.low * max(0.0, 0.7 - high)
        + costs.tiny * max(0.0, 0.35 - high)
        + costs.piece * (group.last - group.first)
        + costs.tall * max(0.0, high - 1.4)
    )
