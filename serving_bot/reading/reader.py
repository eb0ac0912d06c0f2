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
from serving_bot.reading.trust import (
    BELIEVED,
    LEANS,
    MOST_AGAIN,
    UNSURE,
    LineReading,
    agree,
    is_stray,
    share_of_reading,
    turn,
)

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

MOSTLY_SURE, FEW = 0.6, 4
"""Minimum share of confident digits in a number of more than `FEW` digits. Written words have less."""

LONE = 0.7
"""Minimum calibrated probability of a digit that is alone in a picture which is not a crop around it."""

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
        page: what was read; None if there is too much.
        probabilities: float64 [groups, 10] of each lattice of the page.
        clear_lines: whether no line needs to be read again.
    """

    reading: Reading
    gains: tuple[float, ...]
    height: float
    unread: int
    page: Page | None = None
    probabilities: tuple[npt.NDArray[np.float64], ...] = ()
    clear_lines: bool = True

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
        if best.page is not None and not best.clear_lines and len(best.reading.digits) <= MOST_AGAIN:
            best = self._read_page(best.page, best.probabilities, best.reading.picture, again=True)
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
        attempt = self._read_page(page, self._classify(page.lattices), picture)
        if len(attempt.reading.digits) > 1:
            over = page.turned()
            turned = self._read_page(over, self._classify(over.lattices), picture)
            if turned.gain > TURNED * attempt.gain + LEAST_GAIN:
                return turned
        return attempt

    def _read_page(
        self,
        page: Page,
        probabilities: tuple[npt.NDArray[np.float64], ...],
        picture: Picture,
        *,
        again: bool = False,
    ) -> Attempt:
        lines: list[tuple[Digit | Sign, ...]] = []
        read: list[LineReading] = []
        loose = 0
        left_out = [box.scaled(picture.scale) for box in page.dropped]
        gains: list[float] = []
        unread = 0
        for lattice, rows in zip(page.lattices, probabilities, strict=True):
            line = self._read_line(page, lattice, rows, picture.scale, again=again)
            if line.digits:
                read.append(line)
            else:
                left_out += [mark.box for mark in line.marks]
                loose += line.unread
        for line in read:
            if is_stray(line.marks, [other.marks for other in read], picture):
                left_out += [mark.box for mark in line.marks]
                continue
            lines.append(tuple(line.marks))
            gains += line.gains
            unread += line.unread
        digits = [mark for line in lines for mark in line if isinstance(mark, Digit)]
        if not digits:
            unread += loose
        if len(digits) > MOST_DIGITS:
            return Attempt(Reading((), picture, too_many=True), (), page.height, 0)
        trust = sum(digit.probability * digit.share for digit in digits)
        sure = sum(digit.sure for digit in digits)
        if len(digits) + unread == 1:
            likely = sure > 0 and (page.zoom > 1 or digits[0].probability >= LONE)
        else:
            likely = sure > 0 and trust >= LIKELY * (len(digits) + unread)
        likely &= len(digits) <= FEW or sure >= MOSTLY_SURE * len(digits)
        reading = Reading(tuple(lines), picture, tuple(left_out), likely)
        clear = page.upside_down or all(line.clear for line in read)
        return Attempt(reading, tuple(gains), page.height, unread, page, probabilities, clear)

    def _classify(self, lattices: list[Lattice]) -> tuple[npt.NDArray[np.float64], ...]:
        """Calibrated probabilities, float64 [groups, 10], of each lattice's groups, in one call of the classifier."""
        counts = [len(lattice.groups) for lattice in lattices]
        if not sum(counts):
            return tuple(np.zeros((0, 10)) for _ in counts)
        images = np.concatenate([lattice.images for lattice in lattices])
        return tuple(np.split(self._look_at(images), np.cumsum(counts)[:-1]))

    def _look_at(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, float64 [N, 10], of images uint8 [N, V, 28, 28]: V variants of each digit."""
        raw = self._classifier.predict(images.reshape(-1, *images.shape[2:])).reshape(*images.shape[:2], -1)
        # The geometric mean of a digit's variants is high only if they agree.
        logs = np.log(np.maximum(raw.astype(np.float64), 1e-12)).mean(axis=1) / self._temperature
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def _read_line(
        self, page: Page, lattice: Lattice, probabilities: npt.NDArray[np.float64], scale: float, *, again: bool
    ) -> LineReading:
        """Reads a line; `again`: and sheared, until two readings agree."""
        best = self._read_once(page, lattice, probabilities, scale)
        if len(best.digits) < 2:
            return best
        confidence, readings = best.confidence, [best]
        for lean in LEANS if again else ():
            if confidence >= BELIEVED:
                break
            leaned = lattice.leaned(lean)
            readings.append(self._read_once(page, leaned, self._classify([leaned])[0], scale))
            best, confidence = agree(readings)
        return best.weighed(confidence)

    def _read_once(
        self, page: Page, lattice: Lattice, probabilities: npt.NDArray[np.float64], scale: float
    ) -> LineReading:
        """Reads a line; its digits are sure if they are on their own."""
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
        share, again = self._look_again(lattice, probabilities, read) if len(read) > 1 else (0.0, np.zeros(len(read)))
        if page.upside_down:
            return LineReading(marks[::-1], gains[::-1], unread, share, again[::-1])
        return LineReading(marks, gains, unread, share, again)

    def _look_again(
        self, lattice: Lattice, probabilities: npt.NDArray[np.float64], chosen: list[int]
    ) -> tuple[float, npt.NDArray[np.float64]]:
        """The share of readings with the digits of the `chosen` groups, and each digit's log probability rotated."""
        digits = probabilities[chosen].argmax(axis=1)
        share = share_of_reading(
            lattice.pieces, lattice.groups, probabilities, lattice.line.height, lattice.signs, digits
        )
        if share < np.log(UNSURE):
            return share, np.zeros(len(chosen))
        turned = self._look_at(turn(lattice.images[chosen])).reshape(2, len(chosen), -1)
        return share, np.log(np.maximum(turned[:, np.arange(len(chosen)), digits], 1e-6)).mean(axis=0)
