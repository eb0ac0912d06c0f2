"""The confidence of a number as a whole, in addition to that of its digits."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from models.normalising import SIDE
from serving_bot.reading.answer import Digit, Sign
from serving_bot.reading.cutting import Group, Piece
from serving_bot.reading.path import COSTS, Costs, group_costs, skip_costs

BELIEVED = -0.6
"""Minimum log confidence of a sure number; chosen on a risk–coverage curve of cheque amounts."""

SURE_DIGIT = 0.75
"""Minimum of probability times share of paths for a sure digit in any other number."""

TURN = 7.0
"""Degrees by which a digit is rotated in both directions for a second classification."""

Images = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]


def share_of_reading(
    pieces: list[Piece],
    groups: list[Group],
    probabilities: Numbers,
    height: float,
    signs: list[str | None],
    digits: npt.NDArray[np.int64],
    costs: Costs = COSTS,
) -> float:
    """Log of the likelihood-weighted share of all paths through a line that read exactly these digits.

    Unlike the path's own share, it counts every class of every group, and different cuts that give the same digits
    support each other. It ranks numbers better.

    Args:
        pieces: from `cutting.cut`.
        groups: from `cutting.group`.
        probabilities: float64 [groups, 10], calibrated.
        height: of the line's digits, in pixels.
        signs: which sign each group may be.
        digits: int64 [N], the number.
        costs: costs of the hypotheses.
    """
    skipped = [-cost / costs.spread for cost in skip_costs(pieces, height, costs)]
    weights = -group_costs(groups, probabilities, height, costs) / costs.spread
    of_any = np.logaddexp.reduce(weights, axis=1)
    starting: list[list[int]] = [[] for _ in pieces]
    for index, one in enumerate(groups):
        starting[one.first].append(index)
    # Log weight of all paths to each piece: the last column for any digits, the others for the first 0, 1, ... digits.
    total = np.full((len(pieces) + 1, len(digits) + 2), -np.inf)
    total[0, [0, -1]] = 0.0
    for place, indexes in enumerate(starting):
        total[place + 1] = np.logaddexp(total[place + 1], total[place] + skipped[place])
        for index in indexes:
            end = groups[index].last + 1
            named = total[place, :-2] + weights[index, digits]
            total[end, 1:-1] = np.logaddexp(total[end, 1:-1], named)
            total[end, -1] = np.logaddexp(total[end, -1], total[place, -1] + of_any[index])
            if signs[index] is not None:
                total[end] = np.logaddexp(total[end], total[place] - costs.sign / costs.spread)
    return float(total[-1, -2] - total[-1, -1])


def turn(images: Images) -> Images:
    """All images rotated one way, then all the other way: uint8 [2 N, V, 28, 28] from uint8 [N, V, 28, 28].

    The network usually gives a true digit the same class after a small rotation, and a look-alike another.
    """
    middle = ((SIDE - 1) / 2,) * 2
    turned = [
        cv2.warpAffine(image, cv2.getRotationMatrix2D(middle, angle, 1.0), (SIDE, SIDE))
        for angle in (TURN, -TURN)
        for image in images.reshape(-1, SIDE, SIDE)
    ]
    return np.array(turned, np.uint8).reshape(-1, *images.shape[1:])


def weigh(marks: list[Digit | Sign], share: float, again: Numbers) -> list[Digit | Sign]:
    """The marks of a number: unchanged if the number and all its digits are confident, else with doubtful digits.

    Args:
        marks: of a line.
        share: from `share_of_reading`.
        again: float64 [digits], mean log probability of each digit after rotation.
    """
    places = [place for place, mark in enumerate(marks) if isinstance(mark, Digit)]
    digits = [mark for mark in marks if isinstance(mark, Digit)]
    if all(digit.sure for digit in digits) and share + again.sum() >= BELIEVED:
        return marks
    trust = np.array([digit.probability * digit.share for digit in digits])
    least = int(np.argmin(trust * np.exp(again)))
    weighed = list(marks)
    for index, (place, digit) in enumerate(zip(places, digits, strict=True)):
        weighed[place] = replace(digit, sure=digit.sure and index != least and bool(trust[index] >= SURE_DIGIT))
    return weighed
