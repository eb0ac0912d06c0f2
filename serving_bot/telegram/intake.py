"""Takes in Telegram's updates before they are confirmed: skips those that cannot be parsed, and records pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from telegram import Chat, Message, Update, User
from telegram.constants import ChatType

from serving_bot.telegram.attachments import attachment
from serving_bot.telegram.journal import Journal
from serving_bot.telegram.judging import CORRECTION

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intake:
    """Takes in updates as Telegram sends them, in JSON."""

    journal: Journal  # records pictures
    admits: Callable[[Chat], bool]  # whether the bot answers a chat
    is_meant: Callable[[Message], bool]  # whether a message is for the bot
    bot_name: Callable[[], str]  # returns the bot's name without the ``@``
    on_unreadable: Callable[[], None]  # called for each update that the Telegram library cannot parse
    notes_feedback: bool = False  # whether to record pressed buttons and corrections too

    def take(self, updates: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Records new pictures on disk.

        Returns:
            The updates in order. A known or unparsable update is replaced by its number, which confirms it and reaches
            no handler.
        """
        notes: dict[int, dict[str, Any]] = {}
        taken = []
        for raw in updates:
            number = int(raw["update_id"])
            update = None if self.journal.knows(number) else self._parsed(raw)
            taken.append({"update_id": number} if update is None else raw)
            note = None if update is None else self._note_of(update)
            if note is not None:
                notes[number] = note
        self.journal.note(notes)
        return taken

    def _parsed(self, raw: dict[str, Any]) -> Update | None:
        try:
            return Update.de_json(raw, None)
        except Exception as error:  # whatever the library raises, the other updates must be handled
            # Without the error's text and traceback, which may contain what people wrote.
            kind = type(error).__name__
            log.error("skipped an update that cannot be parsed", extra={"update_id": raw["update_id"], "error": kind})
            self.on_unreadable()
            return None

    def _note_of(self, update: Update) -> dict[str, Any] | None:
        """What to record of an update, or None."""
        note = self._note(update.update_id, update.message) if update.message is not None else None
        if note is None and self.notes_feedback and update.effective_chat and self.admits(update.effective_chat):
            return note_feedback(update)
        return note

    def _note(self, number: int, message: Message) -> dict[str, Any] | None:
        """An update with what is needed to answer a picture later: identifiers, but no user's text."""
        picture = attachment(message)
        meant = self.is_meant(message)
        # In a group, one part of an album mentions the bot, and all parts are for it.
        if picture is None or not self.admits(message.chat) or not (meant or message.media_group_id):
            return None
        user = message.from_user
        note: dict[str, Any] = _skeleton(message) | {
            "document": {"file_id": picture.file_id, "file_unique_id": picture.file_id, "mime_type": "image/*"}
            | ({} if picture.size is None else {"file_size": picture.size}),
        }
        if user is not None:
            note["from"] = _sender(user)
        if message.media_group_id:
            note["media_group_id"] = message.media_group_id
        if meant and message.chat.type != ChatType.PRIVATE:
            note["caption"] = f"@{self.bot_name()}"
        return {"update_id": number, "message": note}


def note_feedback(update: Update) -> dict[str, Any] | None:
    """A pressed button, or a number as a reply, as an update of identifiers; None for anything else."""
    user, message, query = update.effective_user, update.message, update.callback_query
    if user is None:
        return None
    sender = _sender(user)
    if query is not None and query.data is not None and isinstance(query.message, Message):
        asked = _skeleton(query.message)
        pressed = {"id": query.id, "from": sender, "chat_instance": "", "data": query.data, "message": asked}
        return {"update_id": update.update_id, "callback_query": pressed}
    if message is None or message.reply_to_message is None or not CORRECTION.fullmatch(message.text or ""):
        return None
    replied = message.reply_to_message
    answered = _skeleton(replied) | ({"from": _sender(replied.from_user)} if replied.from_user is not None else {})
    reply = _skeleton(message) | {"from": sender, "text": message.text, "reply_to_message": answered}
    return {"update_id": update.update_id, "message": reply}


def _skeleton(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "date": int(message.date.timestamp()),
        "chat": {"id": message.chat_id, "type": message.chat.type},
    }


def _sender(user: User) -> dict[str, Any]:
    return {"id": user.id, "is_bot": user.is_bot, "first_name": "", "language_code": user.language_code}
