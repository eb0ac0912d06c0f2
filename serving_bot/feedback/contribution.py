"""A contribution: one cut-out digit, its contributor's label, and the model's answer.

It is stored as a PNG: any viewer shows the crop, `tf.io.decode_png` reads it, and a text chunk holds the facts.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from models.features import NUM_CLASSES, RAW_SIZE
from workers import UserError

FACTS = "digits"
"""Keyword of the PNG's text chunk (PNG specification, section 11.3.4) that holds the facts as JSON."""


class FeedbackError(UserError):
    """The feedback folder cannot be used, or one of its files is damaged."""


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """One person's feedback on one cut-out digit."""

    id: str  # 32 hexadecimal digits, the same for the same digit of the same picture
    contributor: str  # the contributor's code (serving_bot/feedback/contributors.py)
    image: npt.NDArray[np.uint8] = field(compare=False)  # [28, 28], the network's input: light on dark
    said: int | None  # the contributor's label; None for a non-digit
    answered: int  # the model's answer
    probability: float  # of that answer, calibrated
    version: int  # the pushed version that answered
    at: datetime  # time of the feedback, UTC

    @property
    def corrects(self) -> bool:
        """Whether the label differs from the model's answer."""
        return self.said != self.answered

    def to_png(self) -> bytes:
        """Encodes it as a PNG with the facts in a text chunk; `from_png` is the inverse."""
        facts = {
            "id": self.id,
            "contributor": self.contributor,
            "said": self.said,
            "answered": self.answered,
            "probability": round(self.probability, 6),
            "version": self.version,
            "at": self.at.isoformat(timespec="milliseconds"),
        }
        chunk = PngImagePlugin.PngInfo()
        chunk.add_text(FACTS, json.dumps(facts))
        file = io.BytesIO()
        Image.fromarray(self.image).save(file, "PNG", pnginfo=chunk)
        return file.getvalue()

    @classmethod
    def from_png(cls, data: bytes) -> Contribution:
        """Decodes what `to_png` wrote.

        Raises:
            ValueError: the data is something else; the message says what.
        """
        try:
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                if picture.size != (RAW_SIZE, RAW_SIZE):
                    raise ValueError(f"a picture of {picture.width}×{picture.height} pixels, expected 28×28")
                image = np.asarray(picture.convert("L"))
                facts = json.loads(picture.text[FACTS])  # type: ignore[attr-defined]
        except (OSError, SyntaxError, KeyError, AttributeError) as error:
            raise ValueError("not a PNG with the facts of a contribution") from error
        return cls(image=image, **_checked(facts))


def _checked(facts: Any) -> dict[str, Any]:
    """The facts with their types.

    Raises:
        ValueError: one is missing or out of range.
    """
    try:
        said = None if facts["said"] is None else int(facts["said"])
        answered = int(facts["answered"])
        values: dict[str, Any] = {
            "id": str(facts["id"]),
            "contributor": str(facts["contributor"]),
            "said": said,
            "answered": answered,
            "probability": float(facts["probability"]),
            "version": int(facts["version"]),
            "at": datetime.fromisoformat(facts["at"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its facts are damaged ({error})") from error
    if not all(digit in range(NUM_CLASSES) for digit in (answered, answered if said is None else said)):
        raise ValueError("a digit is outside 0..9")
    return values
