"""The files in the bot's state folder."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from serving_bot.feedback.contributors import Contributors
from serving_bot.feedback.outbox import Outbox
from serving_bot.feedback.store import Store
from serving_bot.telegram.application import BotSettings
from serving_bot.telegram.feedback import Feedback
from serving_bot.telegram.journal import DEFAULT_FOLDER, Journal
from serving_bot.telegram.metrics import Metrics
from serving_bot.telegram.receiving import BotError

log = logging.getLogger(__name__)


def state_file(settings: BotSettings, what: str) -> Path:
    """Path of one of this bot's files in the state folder."""
    return (settings.state_dir or DEFAULT_FOLDER) / f"{what}-{settings.token.partition(':')[0]}.sqlite"


def open_feedback(settings: BotSettings, metrics: Metrics) -> Feedback | None:
    """Opens the files for feedback, if the bot asks for feedback.

    Raises:
        FeedbackError: the feedback folder or the key file cannot be used.
        BotError: the state folder cannot be written.
    """
    if settings.feedback_dir is None:
        return None
    path = state_file(settings, "feedback")
    keys = settings.feedback_key_file or path.with_name("feedback-keys")
    try:
        outbox = Outbox(path, settings.feedback_per_day)
    except (OSError, sqlite3.Error) as error:
        raise BotError(f"Cannot write {path} ({error}). Choose another --state-dir.") from error
    return Feedback(outbox, Contributors(keys), Store(settings.feedback_dir), metrics)


def open_journal(settings: BotSettings) -> Journal:
    """Opens the bot's journal; in memory if no folder was chosen and the default one is not writable."""
    path = state_file(settings, "bot")
    try:
        return Journal(path)
    except (OSError, sqlite3.Error) as error:
        if settings.state_dir is not None:
            raise BotError(f"Cannot write {path} ({error}). Choose another --state-dir.") from error
        log.warning(
            "received pictures are noted in memory only, so a kill may lose some; choose a --state-dir",
            extra={"reason": str(error)},
        )
        return Journal(None)
