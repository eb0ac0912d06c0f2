"""What was read in a picture: its lines of digits and signs, how sure each is, and the answer in words and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serving_bot.reading.decoding import Picture
from serving_bot.reading.geometry import Box

MOST_DIGITS = 200
"""More digits than this are not read, which keeps the time and the answer short."""


@dataclass(frozen=True)
class Digit:
    """One digit in a picture.

    Attributes:
        box: its place in pixels of the upright original.
        digit: the likeliest class, 0..9.
        probability: of that class, calibrated, in 0..1.
        top: the three likeliest classes with their probabilities, the likeliest first.
        image: uint8 [28, 28], what the network saw.
        sure: whether this is believed to be a digit, and that one.
        share: of all ways to divide its line, weighted by their likelihood, that have this digit in it.
    """

    box: Box
    digit: int
    probability: float
    top: tuple[tuple[int, float], ...]
    image: npt.NDArray[np.uint8]
    sure: bool
    share: float = 1.0

    @property
    def shown(self) -> str:
        """The digit, or "?" where it is not sure."""
        return str(self.digit) if self.sure else "?"

    def as_json(self) -> dict[str, Any]:
        """The digit as JSON-ready values."""
        return {
            "digit": self.digit,
            "probability": self.probability,
            "sure": self.sure,
            "top": [{"digit": name, "probability": probability} for name, probability in self.top],
            "box": _box(self.box),
        }


@dataclass(frozen=True)
class Sign:
    """A mark beside the digits that is none of them.

    Attributes:
        box: its place in pixels of the upright original.
        text: the sign where that is clear, "?" where it may be a digit, a space otherwise.
    """

    box: Box
    text: str

    @property
    def shown(self) -> str:
        """As it is written in the answer."""
        return self.text


@dataclass(frozen=True)
class Reading:
    """What was read in one picture.

    Attributes:
        lines: from the top, each from left to right; every line holds at least one digit.
        picture: what was searched, upright and at working size.
        left_out: boxes of marks that belong to no line: frames, rules, letters.
        digits_likely: whether this is believed to be a number at all.
        too_many: whether nothing was read because there are too many digits, or marks that may be digits.
    """

    lines: tuple[tuple[Digit | Sign, ...], ...]
    picture: Picture
    left_out: tuple[Box, ...] = ()
    digits_likely: bool = True
    too_many: bool = False

    @property
    def digits(self) -> tuple[Digit, ...]:
        """The digits of all lines, in reading order."""
        return tuple(mark for line in self.lines for mark in line if isinstance(mark, Digit))

    @property
    def text(self) -> str:
        """The digits as they read, sure or not, one line of writing a line: "2026"."""
        return "\n".join("".join(str(mark.digit) for mark in line if isinstance(mark, Digit)) for line in self.lines)

    @property
    def shown(self) -> str:
        """The lines with their signs, a "?" for each digit that is not sure: "3?.79"."""
        return "\n".join(" ".join("".join(mark.shown for mark in line).split()) for line in self.lines)

    @property
    def outcome(self) -> str:
        """``number``, ``doubtful`` (a number with doubtful places) or ``none`` (no number here)."""
        if not self.digits or not self.digits_likely:
            return "none"
        sure = all(mark.sure if isinstance(mark, Digit) else mark.text != "?" for line in self.lines for mark in line)
        return "number" if sure else "doubtful"

    @property
    def sure(self) -> bool:
        """Whether this is a number and every digit of it is sure."""
        return self.outcome == "number"

    @property
    def problem(self) -> str | None:
        """Which limit kept the picture from being read, and what to do; None if none did."""
        if not self.too_many:
            return None
        return f"more than {MOST_DIGITS} digits or other marks were found; send a part of the picture"

    def describe(self) -> str:
        """The answer in one line: "2026 (99.1%)", "not sure: 3?79, perhaps 3179", "no number found", or why not."""
        if self.outcome == "none":
            return f"nothing read: {self.problem}" if self.problem else "no number found"
        if self.outcome == "number":
            return f"{_in_one_line(self.shown)} ({min(digit.probability for digit in self.digits):.1%})"
        return f"not sure: {_in_one_line(self.shown)}, perhaps {_in_one_line(self.text)}"

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON-ready values."""
        return {
            "text": self.text,
            "shown": self.shown,
            "lines": self.text.split("\n") if self.lines else [],
            "outcome": self.outcome,
            "sure": self.sure,
            "problem": self.problem,
            "digits": [digit.as_json() for digit in self.digits],
            "left_out": [_box(box) for box in self.left_out],
        }


def _in_one_line(text: str) -> str:
    return text.replace("\n", " / ")


def _box(box: Box) -> dict[str, int]:
    return {"left": box.left, "top": box.top, "width": box.width, "height": box.height}
