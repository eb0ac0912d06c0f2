"""The confidence of a number as a whole, in addition to that of its digits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from models.normalising import SIDE
from serving_bot.reading.answer import Digit, Sign
from serving_bot.reading.cutting import Group, Piece
from serving_bot.reading.decoding import Picture
from serving_bot.reading.path import COSTS, Costs, group_costs, skip_costs

BELIEVED = 0.65
"""Minimum confidence of a sure number; chosen on a risk–coverage curve of cheque amounts."""

UNSURE = 0.02
"""Confidence of a line with a doubtful mark."""

LEANS = (0.2, -0.2, 0.4, -0.4)
"""Shears at which a line is read again, in widths per height."""

MOST_AGAIN = 12
"""Pictures with more digits are not read again."""

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


@dataclass(frozen=True)
class LineReading:
    """One reading of a line.

    Attributes:
        marks: its digits and signs, from left to right.
        gains: each digit's log likelihood ratio to no digit.
        unread: number of unread marks.
        share: from `share_of_reading`; 0.0 without a second digit.
        again: float64 [digits], mean log probability of each digit after rotation.
    """

    marks: list[Digit | Sign]
    gains: list[float]
    unread: int
    share: float
    again: Numbers

    @property
    def digits(self) -> list[Digit]:
        """Its digits, from left to right."""
        return [mark for mark in self.marks if isinstance(mark, Digit)]

    @property
    def text(self) -> str:
        """Its digits as text."""
        return "".join(str(digit.digit) for digit in self.digits)

    @property
    def confidence(self) -> float:
        """Confidence in the number as a whole, in 0..1."""
        if self.unread or not all(digit.sure for digit in self.digits):
            return UNSURE
        return float(np.exp(self.share + self.again.sum()))

    @property
    def clear(self) -> bool:
        """Whether there is no number of several digits to read again."""
        return len(self.digits) < 2 or self.confidence >= BELIEVED

    def weighed(self, confidence: float) -> LineReading:
        """The reading: unchanged if the number and all its digits are confident, else with doubtful digits."""
        if confidence >= BELIEVED and all(digit.sure for digit in self.digits):
            return self
        trust = np.array([digit.probability * digit.share for digit in self.digits])
        places = [place for place, mark in enumerate(self.marks) if isinstance(mark, Digit)]
        least = int(np.argmin(trust * np.exp(self.again)))
        marks = list(self.marks)
        for index, (place, digit) in enumerate(zip(places, self.digits, strict=True)):
            marks[place] = replace(digit, sure=digit.sure and index != least and bool(trust[index] >= SURE_DIGIT))
        return replace(self, marks=marks)


def agree(readings: list[LineReading]) -> tuple[LineReading, float]:
    """The reading of a line on which two readings agree best, and its confidence.

    The confidence of a number is the mean of its two best readings, 0.0 in place of a missing second one. Readings
    without a digit do not count; the first has some.
    """
    by_text: dict[str, list[LineReading]] = {}
    for reading in (one for one in readings if one.digits):
        by_text.setdefault(reading.text, []).append(reading)
    confidence = {
        text: sum(sorted((one.confidence for one in same), reverse=True)[:2]) / 2 for text, same in by_text.items()
    }
    text = max(confidence, key=lambda one: confidence[one])
    return max(by_text[text], key=lambda one: one.confidence), confidence[text]


def is_stray(line: list[Digit | Sign], lines: list[list[Digit | Sign]], picture: Picture) -> bool:
    """Whether a line is a scratch, a fold or the sheet's edge, not a 1.

    Its height differs from the digits', or it lies at the picture's edge while another line has a number.
    """
    digits = [mark for mark in line if isinstance(mark, Digit)]
    others = [mark for other in lines if other is not line for mark in other if isinstance(mark, Digit) and mark.sure]
    if len(others) < 2 or all(other.digit == 1 for other in others) or any(digit.digit != 1 for digit in digits):
        return False
    height = float(np.median([other.box.height for other in others]))
    rows, columns = (picture.scale * side for side in picture.pixels.shape[:2])
    return all(
        not 0.6 * height < digit.box.height < 1.7 * height
        or min(digit.box.left, digit.box.top, columns - digit.box.right, rows - digit.box.bottom)
        < 0.02 * max(rows, columns)
        for digit in digits
    )
