"""The reading of a picture: lines of digits and signs with their confidence, as text and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serving_bot.reading.decoding import Picture
from serving_bot.reading.geometry import Box

MOST_DIGITS = 200
"""Maximum number of digits to read, which limits time and answer length."""


@dataclass(frozen=True)
class Digit:
    """One digit in a picture.

    Attributes:
        box: its position in pixels of the upright original.
        digit: the likeliest class, 0..9.
        probability: of that class, calibrated, in 0..1.
        top: the three likeliest classes with their probabilities, the likeliest first.
        image: uint8 [28, 28], the network's input.
        sure: whether the answer is confident.
        share: likelihood-weighted share of all segmentations of its line that contain this digit.
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
        """The digit, or "?" if it is unsure."""
        return str(self.digit) if self.sure else "?"

    def as_json(self) -> dict[str, Any]:
        """The digit as JSON values."""
        return {
            "digit": self.digit,
            "probability": self.probability,
            "sure": self.sure,
            "top": [{"digit": name, "probability": probability} for name, probability in self.top],
            "box": _box(self.box),
        }


@dataclass(frozen=True)
class Sign:
    """A mark beside the digits that is not a digit.

    Attributes:
        box: its position in pixels of the upright original.
        text: the sign if it is clear, "?" if it may be a digit, else a space.
    """

    box: Box
    text: str

    @property
    def shown(self) -> str:
        """Its form in the answer."""
        return self.text


@dataclass(frozen=True)
class Reading:
    """The reading of one picture.

    Attributes:
        lines: from top to bottom, each from left to right; every line has at least one digit.
        picture: the searched picture, upright and at working size.
        left_out: boxes of marks outside all lines: frames, rules, letters.
        digits_likely: whether the marks are probably a number.
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
        """The digits, sure or not, one line of text per line of writing: "2026"."""
        return "\n".join("".join(str(mark.digit) for mark in line if isinstance(mark, Digit)) for line in self.lines)

    @property
    def shown(self) -> str:
        """The lines with their signs, and "?" for each unsure digit: "3?.79"."""
        return "\n".join(" ".join("".join(mark.shown for mark in line).split()) for line in self.lines)

    @property
    def outcome(self) -> str:
        """``number``, ``doubtful`` (a number with unsure digits) or ``none`` (no number)."""
        if not self.digits or not self.digits_likely:
            return "none"
        sure = all(mark.sure if isinstance(mark, Digit) else mark.text != "?" for line in self.lines for mark in line)
        return "number" if sure else "doubtful"

    @property
    def sure(self) -> bool:
        """Whether this is a number and all its digits are sure."""
        return self.outcome == "number"

    @property
    def problem(self) -> str | None:
        """The limit that the picture exceeds, and what to do; None if it exceeds none."""
        if not self.too_many:
            return None
        return f"more than {MOST_DIGITS} digits or other marks were found; send a part of the picture"

    def describe(self) -> str:
        """The answer in one line: "2026 (99.1%)", "not sure: 3?79, perhaps 3179", "no number found", or the problem."""
        if self.outcome == "none":
            return f"nothing read: {self.problem}" if self.problem else "no number found"
        if self.outcome == "number":
            return f"{_in_one_line(self.shown)} ({min(digit.probability for digit in self.digits):.1%})"
        return f"not sure: {_in_one_line(self.shown)}, perhaps {_in_one_line(self.text)}"

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
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
