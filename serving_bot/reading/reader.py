"""Reads the digits in a picture file, and decides which of them are sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from serving_bot.reading.answer import MOST_DIGITS, Digit, Reading, Sign
from serving_bot.reading.decoding import Picture, decode
from serving_bot.reading.page import Lattice, Page, TooManyMarksError, find
from serving_bot.reading.path import find_path
from serving_bot.reading.strokes import TooManyPiecesError
from serving_bot.reading.surface import Surface, find_surface
from serving_bot.reading.trust import BELIEVED, share_of_reading, turn, weigh

SURE = 0.46
"""Minimum calibrated probability of a sure digit, if the model's card has no `sure`."""

CUT_OUT = 0.6
"""Factor of that probability for a picture cropped to its digits, which nearly always has some."""

LEAST_SHARE = 0.25
"""Minimum of probability times share of paths for a sure digit."""

LIKE_A_SIGN = 0.5
"""A mark with a sign's shape that is a digit with more than this probability may be either."""

LEAST_REST = 0.3
"""A digit is unsure if more than this of its strokes, in line heights, is skipped."""

TURNED = 1.08
LEAST_GAIN = 1.0
"""A page is read upside down if that gains `TURNED` times as much and at least `LEAST_GAIN` nats more."""

LEAST_HEIGHT = 22
"""If digits are lower than this, in pixels of the working size, a larger picture is read again at a larger size."""

CLOSE_HEIGHT = 44
"""Their height in the second reading, if the picture is large enough."""

CLOSEST_SIDE = 2000
"""Maximum longer side, in pixels, at which a picture is read."""

LIKELY = 0.5
"""Minimum mean probability of being digits for marks to be a number."""

LIKE_A_DIGIT = 0.6
"""A mark of at least this share of the line's height that is neither digit nor known sign makes the line doubtful."""


class Model(Protocol):
    """The classifier's interface for the reader."""

    card: dict[str, Any]

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities float32 [N, 10] for uint8 [N, 28, 28]."""


@dataclass(frozen=True)
class Attempt:
    """The result of one way of reading a picture.

    Attributes:
        reading: the reading.
        gains: log likelihood ratio of each digit to no digit, in nats.
        height: of the digits in pixels of the searched picture; 0.0 without digits.
        unread: number of marks as large as a digit that were not read.
    """

    reading: Reading
    gains: tuple[float, ...]
    height: float
    unread: int

    @property
    def gain(self) -> float:
        """Log likelihood ratio of all digits to no digits, in nats."""
        return sum(self.gains)

    @property
    def clear(self) -> bool:
        """Whether another attempt would hardly find more."""
        return self.reading.sure and self.unread == 0


class Reader:
    """Reads pictures with one classifier. Not thread-safe.

    Args:
        classifier: a loaded model; its card's `temperature` calibrates the probabilities (Guo et al., "On Calibration
            of Modern Neural Networks", 2017), 1.0 if the card has none; its card's `sure` is the minimum probability of
            a sure digit.
    """

    def __init__(self, classifier: Model) -> None:
        self._classifier = classifier
        self._temperature = float(classifier.card.get("temperature", 1.0))
        self._sure = float(classifier.card.get("sure", SURE))

    def read(self, data: bytes) -> Reading:
        """Reads the digits in a picture file.

        Raises:
            serving_bot.reading.decoding.UnreadablePictureError: the bytes are not a readable picture; its subclasses
            say why.
        """
        picture = decode(data)
        best = self._look(picture)
        if best.height < LEAST_HEIGHT and picture.scale > 1.2 and not best.clear:
            factor = CLOSE_HEIGHT / best.height if best.height else picture.scale
            side = min(CLOSEST_SIDE, max(picture.pixels.shape) * min(factor, picture.scale))
            closer = self._look(decode(data, round(side)))
            best = closer if closer.gain > best.gain else best
        return best.reading

    def _look(self, picture: Picture) -> Attempt:
        """Reads the whole picture and, if it shows a sheet, the sheet alone; keeps the better result."""
        surface = find_surface(picture.pixels)
        whole = self._attempt(picture)
        if surface is None:
            return whole
        sheet = self._attempt(picture, surface)
        inside = sum(
            gain
            for digit, gain in zip(whole.reading.digits, whole.gains, strict=True)
            if surface.holds(digit.box.scaled(1 / picture.scale))
        )
        better = sheet.gain > inside or (sheet.clear and not whole.clear and sheet.gain > 0.9 * inside)
        return sheet if better and sheet.gain > 0.95 * whole.gain else whole

    def _attempt(self, picture: Picture, surface: Surface | None = None) -> Attempt:
        try:
            page = find(picture.pixels) if surface is None else find(surface.pixels, within=surface.within)
        except (TooManyPiecesError, TooManyMarksError):
            return Attempt(Reading((), picture, too_many=True), (), 0.0, 0)
        attempt = self._read_page(page, picture)
        if len(attempt.reading.digits) > 1:
            turned = self._read_page(page.turned(), picture)
            if turned.gain > TURNED * attempt.gain + LEAST_GAIN:
                return turned
        return attempt

    def _read_page(self, page: Page, picture: Picture) -> Attempt:
        probabilities = self._classify(page.lattices)
        lines: list[tuple[Digit | Sign, ...]] = []
        read: list[tuple[tuple[Digit | Sign, ...], list[float], int]] = []
        loose = 0
        left_out = [box.scaled(picture.scale) for box in page.dropped]
        gains: list[float] = []
        unread = 0
        for lattice, rows in zip(page.lattices, probabilities, strict=True):
            marks, gained, missing = self._read_line(page, lattice, rows, picture.scale)
            if any(isinstance(mark, Digit) for mark in marks):
                read.append((tuple(marks), gained, missing))
            else:
                left_out += [mark.box for mark in marks]
                loose += missing
        for line, gained, missing in read:
            if _is_stray(line, [other for other, _, _ in read], picture):
                left_out += [mark.box for mark in line]
                continue
            lines.append(line)
            gains += gained
            unread += missing
        digits = [mark for line in lines for mark in line if isinstance(mark, Digit)]
        if not digits:
            unread += loose
        if len(digits) > MOST_DIGITS:
            return Attempt(Reading((), picture, too_many=True), (), page.height, 0)
        trust = sum(digit.probability * digit.share for digit in digits)
        likely = any(digit.sure for digit in digits) and (
            len(digits) + unread == 1 or trust >= LIKELY * (len(digits) + unread)
        )
        return Attempt(Reading(tuple(lines), picture, tuple(left_out), likely), tuple(gains), page.height, unread)

    def _classify(self, lattices: list[Lattice]) -> list[npt.NDArray[np.float64]]:
        """Calibrated probabilities, float64 [groups, 10], of each lattice's groups, in one call of the classifier."""
        counts = [len(lattice.groups) for lattice in lattices]
        if not sum(counts):
            return [np.zeros((0, 10)) for _ in counts]
        images = np.concatenate([lattice.images for lattice in lattices])
        return np.split(self._look_at(images), np.cumsum(counts)[:-1])

    def _look_at(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, float64 [N, 10], of images uint8 [N, V, 28, 28]: V variants of each digit."""
        raw = self._classifier.predict(images.reshape(-1, *images.shape[2:])).reshape(*images.shape[:2], -1)
        # The geometric mean of a digit's variants is high only if they agree.
        logs = np.log(np.maximum(raw.astype(np.float64), 1e-12)).mean(axis=1) / self._temperature
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def _read_line(
        self, page: Page, lattice: Lattice, probabilities: npt.NDArray[np.float64], scale: float
    ) -> tuple[list[Digit | Sign], list[float], int]:
        """The marks of a line, each digit's log likelihood ratio to no digit, and the number of unread marks."""
        marks: list[Digit | Sign] = []
        gains, unread = [], 0
        path = find_path(lattice.pieces, lattice.groups, probabilities, lattice.line.height, lattice.signs)
        torn = {
            lattice.pieces[step.piece].component
            for step in path
            if step.group is None and lattice.pieces[step.piece].box.side > LEAST_REST * lattice.line.height
        }
        for step in path:
            if step.group is None or step.sign is not None:
                box = lattice.pieces[step.piece].box if step.group is None else lattice.groups[step.group].box
                text = step.sign or ("?" if box.height > LIKE_A_DIGIT * lattice.line.height else " ")
                if step.group is not None and probabilities[step.group].max() > LIKE_A_SIGN:
                    text = "?"
                unread += text == "?"
                marks.append(Sign(page.place(lattice, box).scaled(scale), text))
                continue
            gains.append(step.gain)
            row, chosen = probabilities[step.group], lattice.groups[step.group]
            own = lattice.pieces[chosen.first : chosen.last + 1]
            top = tuple((int(index), float(row[index])) for index in np.argsort(-row, kind="stable")[:3])
            least = self._sure * (CUT_OUT if page.zoom > 1 else 1)
            sure = top[0][1] >= least and top[0][1] * step.share >= LEAST_SHARE
            sure &= not torn & {piece.component for piece in own}
            marks.append(
                Digit(
                    page.place(lattice, chosen.box).scaled(scale),
                    *top[0],
                    top,
                    lattice.images[step.group, 0],
                    sure,
                    step.share,
                )
            )
        read = [step.group for step in path if step.group is not None and step.sign is None]
        if len(read) > 1:
            marks = self._weigh(lattice, probabilities, read, marks)
        if page.upside_down:
            marks.reverse()
            gains.reverse()
        return marks, gains, unread

    def _weigh(
        self, lattice: Lattice, probabilities: npt.NDArray[np.float64], chosen: list[int], marks: list[Digit | Sign]
    ) -> list[Digit | Sign]:
        """The marks of a number with the `chosen` groups as digits; some are doubtful if confidence is low."""
        digits = probabilities[chosen].argmax(axis=1)
        share = share_of_reading(
            lattice.pieces, lattice.groups, probabilities, lattice.line.height, lattice.signs, digits
        )
        again = np.zeros(len(chosen))
        if share >= BELIEVED:
            turned = self._look_at(turn(lattice.images[chosen])).reshape(2, len(chosen), -1)
            again = np.log(np.maximum(turned[:, np.arange(len(chosen)), digits], 1e-6)).mean(axis=0)
        return weigh(marks, share, again)


def _is_stray(line: tuple[Digit | Sign, ...], lines: list[tuple[Digit | Sign, ...]], picture: Picture) -> bool:
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
