"""From the bytes of a picture to the digits in it, and whether to believe them."""

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

SURE = 0.46
"""Least calibrated probability of a digit that is sure, where the model's card names none as `sure`."""

CUT_OUT = 0.6
"""What of that is enough in a picture that is cut out around its digits: there hardly ever is none in it."""

SURE_IN_NUMBER = 0.8
"""Least probability of a digit beside others, times the share of the paths that cut it out so."""

APART = 0.93
SURE_APART = 0.72
"""The same of one that is not cut out of joined ink, where more than `APART` of the paths agree."""

LEAST_SHARE = 0.25
"""The same of a lone digit."""

LIKE_A_SIGN = 0.5
"""What has a sign's shape and is a digit at more than this probability may be either."""

LEAST_REST = 0.3
"""A digit is not sure where more than this of its own strokes, in heights of the line, is left out."""

TURNED = 1.08
LEAST_GAIN = 1.0
"""A page is read upside down where that gains `TURNED` times as much, and `LEAST_GAIN` nats more."""

LEAST_HEIGHT = 22
"""Digits lower than this, in pixels of the working size, are looked at more closely where the picture is larger."""

CLOSE_HEIGHT = 44
"""How high they are made, if the picture is large enough."""

CLOSEST_SIDE = 2000
"""The longer side, in pixels, at which a picture is read at most."""

LIKELY = 0.5
"""Marks are a number where they are digits at this probability, on average."""

LIKE_A_DIGIT = 0.6
"""A mark of at least this share of its line's height that is no digit nor a known sign makes the line doubtful."""


class Model(Protocol):
    """What the reader needs of a classifier."""

    card: dict[str, Any]

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities float32 [N, 10] for uint8 [N, 28, 28]."""


@dataclass(frozen=True)
class Attempt:
    """What came of one way of looking at a picture.

    Attributes:
        reading: what was read.
        gains: by how much each digit is likelier than that its ink is none, in nats.
        height: of the digits in pixels of the picture that was searched; 0.0 where there are none.
        unread: how many marks are as large as a digit and were not read.
    """

    reading: Reading
    gains: tuple[float, ...]
    height: float
    unread: int

    @property
    def gain(self) -> float:
        """By how much all digits are likelier than that all ink is none, in nats."""
        return sum(self.gains)

    @property
    def clear(self) -> bool:
        """Whether another look would hardly find more."""
        return self.reading.sure and self.unread == 0


class Reader:
    """Reads pictures with one classifier. As little thread-safe as the classifier is.

    Args:
        classifier: a loaded model; its card's `temperature` calibrates the probabilities (Guo et al., "On
            Calibration of Modern Neural Networks", 2017), 1.0 where the card has none, and its card's `sure` is the
            least of them that is believed.
    """

    def __init__(self, classifier: Model) -> None:
        self._classifier = classifier
        self._temperature = float(classifier.card.get("temperature", 1.0))
        self._sure = float(classifier.card.get("sure", SURE))

    def read(self, data: bytes) -> Reading:
        """Reads the digits in a picture file.

        Raises:
            serving_bot.reading.decoding.UnreadablePictureError: the bytes are no picture that can be read; its
            subclasses say why.
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
        """Reads the whole picture and, where it shows a sheet, the sheet alone; keeps what is read better."""
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
        raw = self._classifier.predict(images.reshape(-1, *images.shape[2:])).reshape(*images.shape[:2], -1)
        # The variants are opinions on one digit: their geometric mean is high only where they agree.
        logs = np.log(np.maximum(raw.astype(np.float64), 1e-12)).mean(axis=1) / self._temperature
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.split(shares / shares.sum(axis=1, keepdims=True), np.cumsum(counts)[:-1])

    def _read_line(
        self, page: Page, lattice: Lattice, probabilities: npt.NDArray[np.float64], scale: float
    ) -> tuple[list[Digit | Sign], list[float], int]:
        """The marks of a line, by how much each digit is likelier than none, and how many marks were not read."""
        marks: list[Digit | Sign] = []
        gains, unread = [], 0
        path = find_path(lattice.pieces, lattice.groups, probabilities, lattice.line.height, lattice.signs)
        alone = sum(step.group is not None and step.sign is None for step in path) == 1
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
            apart = chosen.torn == 0 and step.share > APART
            trust = LEAST_SHARE if alone else SURE_APART if apart else SURE_IN_NUMBER
            sure = top[0][1] >= least and top[0][1] * step.share >= trust
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
        if page.upside_down:
            marks.reverse()
            gains.reverse()
        return marks, gains, unread


def _is_stray(line: tuple[Digit | Sign, ...], lines: list[tuple[Digit | Sign, ...]], picture: Picture) -> bool:
    """Whether a line is a scratch, a fold or the sheet's edge and no 1: it is of another height than the digits, or
    lies at the picture's edge, where another line holds a number."""
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
