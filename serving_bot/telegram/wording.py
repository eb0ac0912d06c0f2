"""The bot's wording for readings and models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from telegram.constants import MessageLimit

from serving_bot.reading.answer import MOST_DIGITS, Digit, Reading
from serving_bot.telegram.texts import Texts
from serving_bot.versions.hot_swap import ServedModel

MOST_CONFIDENT = 0.999  # the highest probability to show: nothing is 100 % sure


@dataclass(frozen=True)
class Answer:
    """The answer to one picture, and its outcome (one of ``metrics.OUTCOMES``)."""

    text: str
    outcome: str
    model: ServedModel | None = None
    read: str = ""  # the digits read, sure or not, with line breaks between lines

    @property
    def can_be_shown(self) -> bool:
        """Whether the network saw anything."""
        return self.outcome in ("read", "unsure")


def tell(reading: Reading, texts: Texts) -> tuple[str, str]:
    """The answer for a reading, and its outcome: ``read``, ``unsure`` or ``nothing``."""
    digits = reading.digits
    if reading.outcome == "none":
        if len(digits) == 1:
            return texts("not-sure", guesses=guesses(digits[0], texts)), "unsure"
        key = "too-many-digits" if reading.too_many else "no-number" if digits else "nothing-found"
        return texts(key, limit=MOST_DIGITS), "nothing"
    if len(digits) == 1:
        digit = digits[0]
        name = texts(f"digit-{digit.digit}")
        return texts("this-is", digit=name, confidence=confident(digit.probability, texts)), "read"
    shown = "\n" + reading.shown if len(reading.lines) > 1 else reading.shown
    if reading.outcome == "doubtful":
        return texts("digits-doubtful", digits=shown), "unsure"
    confidence = confident(min(digit.probability for digit in digits), texts)
    return texts("digits-found", count=len(digits), digits=shown, confidence=confidence), "read"


def caption(title: str, reading: Reading, texts: Texts) -> str:
    """The title, and the top three classes of as many digits as Telegram's limit allows."""
    rows = [title]
    for place, digit in enumerate(reading.digits, 1):
        row = texts("shown-row", place=str(place), guesses=guesses(digit, texts))
        if sum(map(len, rows)) + len(rows) + len(row) > MessageLimit.CAPTION_LENGTH - 2:
            rows.append("…")
            break
        rows.append(row)
    return "\n".join(rows)


def describe(model: ServedModel, texts: Texts) -> str:
    """Describes a served model from its card."""
    card = model.card
    accuracy = card.get("metrics", {}).get("test_accuracy")
    return texts(
        "model",
        name=display_name(model),
        version=str(model.version.number),
        accuracy=texts("unknown") if accuracy is None else texts.percentage(float(accuracy), decimals=2),
        trained=_time(card.get("trained_at"), texts),
        pushed=texts.time(model.pushed_at),
        run=str(card.get("run_id") or texts("unknown")),
    )


def _time(text: Any, texts: Texts) -> str:
    """Formats an ISO 8601 time from a card."""
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return texts("unknown")
    return texts.time(moment)


def display_name(model: ServedModel) -> str:
    """The display name of a model."""
    return str(model.card.get("display_name") or model.card.get("model") or "?")


def guesses(digit: Digit, texts: Texts) -> str:
    """The best guesses for one digit with their probabilities."""
    return ", ".join(
        texts("guess", digit=label, confidence=confident(probability, texts)) for label, probability in digit.top
    )


def confident(probability: float, texts: Texts) -> str:
    """A probability as a percentage, never 100 %."""
    return texts.percentage(min(float(probability), MOST_CONFIDENT))
