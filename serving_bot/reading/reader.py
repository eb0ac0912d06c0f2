"""From the bytes of a picture to the digits in it, and whether to believe them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.normalising import variants
from serving_bot.reading.decoding import Picture, decode
from serving_bot.reading.finding import MAX_DIGITS, Box, TooManyDigitsError, find

SURE = 0.3
"""Least calibrated probability at which an answer is given; chosen with benchmarks/reader.py
(docs/reading-photos.md)."""


class Model(Protocol):
    """What the reader needs of a classifier."""

    card: dict[str, Any]

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities float32 [N, 10] for uint8 [N, 28, 28]."""


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
    """

    box: Box
    digit: int
    probability: float
    top: tuple[tuple[int, float], ...]
    image: npt.NDArray[np.uint8]
    sure: bool


@dataclass(frozen=True)
class Reading:
    """What was read in one picture.

    Attributes:
        digits: in reading order; empty where nothing was found.
        picture: what was searched, upright and at working size.
        too_many: whether nothing was read because there are too many digits, or marks that may be digits.
    """

    digits: tuple[Digit, ...]
    picture: Picture
    too_many: bool = False

    @property
    def text(self) -> str:
        """The digits as they read, sure or not: "2026"."""
        return "".join(str(digit.digit) for digit in self.digits)

    @property
    def sure(self) -> bool:
        """Whether something was found and every digit of it is sure."""
        return bool(self.digits) and all(digit.sure for digit in self.digits)

    @property
    def problem(self) -> str | None:
        """Which limit kept the picture from being read, and what to do; None if none did."""
        if not self.too_many:
            return None
        return f"more than {MAX_DIGITS} digits or other marks were found; send a part of the picture"

    def describe(self) -> str:
        """The answer in one line: "2026 (99.1%)", "not sure: perhaps 5 (48.0%)", "nothing found", or why not."""
        if not self.digits:
            return f"nothing read: {self.problem}" if self.problem else "nothing found"
        weakest = min(digit.probability for digit in self.digits)
        return f"{self.text} ({weakest:.1%})" if self.sure else f"not sure: perhaps {self.text} ({weakest:.1%})"

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON-ready values."""
        return {
            "text": self.text,
            "sure": self.sure,
            "problem": self.problem,
            "digits": [
                {
                    "digit": digit.digit,
                    "probability": digit.probability,
                    "sure": digit.sure,
                    "top": [{"digit": name, "probability": probability} for name, probability in digit.top],
                    "box": {
                        "left": digit.box.left,
                        "top": digit.box.top,
                        "width": digit.box.width,
                        "height": digit.box.height,
                    },
                }
                for digit in self.digits
            ],
        }


class Reader:
    """Reads pictures with one classifier. As little thread-safe as the classifier is.

    Args:
        classifier: a loaded model; its card's `temperature` calibrates the probabilities (Guo et al., "On
            Calibration of Modern Neural Networks", 2017), 1.0 where the card has none.
    """

    def __init__(self, classifier: Model) -> None:
        self._classifier = classifier
        self._temperature = float(classifier.card.get("temperature", 1.0))

    def read(self, data: bytes) -> Reading:
        """Reads the digits in a picture file.

        Raises:
            serving_bot.reading.decoding.UnreadablePictureError: the bytes are no picture that can be read; its
            subclasses say why.
        """
        picture = decode(data)
        try:
            found = find(picture.pixels)
        except TooManyDigitsError:
            return Reading((), picture, too_many=True)
        if not found:
            return Reading((), picture)
        images = np.stack([variants(one.ink) for one in found])
        raw = self._classifier.predict(images.reshape(-1, *images.shape[2:])).reshape(*images.shape[:2], -1)
        # The variants are opinions on one digit: their geometric mean is high only where they agree.
        logs = np.log(np.maximum(raw.astype(np.float64), 1e-12)).mean(axis=1) / self._temperature
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        probabilities = shares / shares.sum(axis=1, keepdims=True)
        return Reading(
            tuple(
                _digit(one.box, picture, image, row)
                for one, image, row in zip(found, images[:, 0], probabilities, strict=True)
            ),
            picture,
        )


def _digit(box: Box, picture: Picture, image: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float64]) -> Digit:
    top = tuple((int(index), float(probabilities[index])) for index in np.argsort(-probabilities, kind="stable")[:3])
    best, probability = top[0]
    return Digit(box.scaled(picture.scale), best, probability, top, image, probability >= SURE)
