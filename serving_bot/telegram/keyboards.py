"""The buttons under an answer, and their callback data."""

from __future__ import annotations

from collections.abc import Sequence

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from serving_bot.telegram.texts import Texts

SHOW = "saw:"  # followed by the version that answered
RIGHT, WRONG = "right", "wrong"
PART = "part:"  # followed by the place of a picture in its album
BACK = "back"
DIGIT = "is:"  # followed by a digit, or by NONE
NONE = "-"
_KEYS_A_ROW = 5
CONSENT = "consent:"  # followed by yes, tell (yes, and tell me what was learned) or no; the user, answer and verdict


def answer_keyboard(
    texts: Texts, version: int | None, asks: bool, sure: bool = True, parts: Sequence[int] = ()
) -> InlineKeyboardMarkup | None:
    """The buttons under an answer; None if there are none.

    Args:
        texts: the texts in the chat's language.
        version: the version that answered; None to omit the button that shows what the network saw.
        asks: whether to ask if the answer is right.
        sure: whether the answer is confident; a doubtful answer can only be corrected.
        parts: places of an album's pictures whose answers can be judged one by one.
    """
    rows = []
    if asks:
        buttons = [InlineKeyboardButton(texts("wrong-button" if sure else "correct-button"), callback_data=WRONG)]
        if sure:
            buttons.insert(0, InlineKeyboardButton(texts("right-button"), callback_data=RIGHT))
        rows.append(buttons)
    keys = [InlineKeyboardButton(texts("part-button", place=str(one)), callback_data=f"{PART}{one}") for one in parts]
    rows += [keys[start : start + _KEYS_A_ROW] for start in range(0, len(keys), _KEYS_A_ROW)]
    if version is not None:
        rows.append([InlineKeyboardButton(texts("show-button"), callback_data=f"{SHOW}{version}")])
    return InlineKeyboardMarkup(rows) if rows else None


def keypad(texts: Texts) -> InlineKeyboardMarkup:
    """The keypad for one digit."""
    keys = [InlineKeyboardButton(str(digit), callback_data=f"{DIGIT}{digit}") for digit in range(10)]
    return InlineKeyboardMarkup([keys[:_KEYS_A_ROW], keys[_KEYS_A_ROW:], _last_row(texts)])


def number_keyboard(texts: Texts) -> InlineKeyboardMarkup:
    """The buttons for a number, which the user sends as a reply."""
    return InlineKeyboardMarkup([_last_row(texts)])


def consent_keyboard(texts: Texts, user: int, private: bool, answer: int, verdict: str) -> InlineKeyboardMarkup:
    """The choices for one user and one answer; the bot writes only to private chats by itself."""
    rows = [("yes", "no"), ("tell",)] if private else [("yes", "no")]
    about = f"{user}:{answer}:{verdict}"
    return InlineKeyboardMarkup(
        [
            [InlineKeyboardButton(texts(f"consent-{one}"), callback_data=f"{CONSENT}{one}:{about}") for one in row]
            for row in rows
        ]
    )


def _last_row(texts: Texts) -> list[InlineKeyboardButton]:
    return [
        InlineKeyboardButton(texts("not-a-digit-button"), callback_data=f"{DIGIT}{NONE}"),
        InlineKeyboardButton(texts("back-button"), callback_data=BACK),
    ]
