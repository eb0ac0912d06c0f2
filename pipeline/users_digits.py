"""What of the bot's feedback a run takes."""

from __future__ import annotations

from models.features import USERS, USERS_TRAIN
from pipeline.config import UsersDigits
from serving_bot.feedback.contribution import FeedbackError
from serving_bot.feedback.snapshot import take_snapshot
from serving_bot.feedback.store import Store


def choose_users_digits(folder: str, trust: int, max_drop: float) -> UsersDigits:
    """Takes a snapshot of a feedback folder.

    Args:
        folder: local, or an address that fsspec opens.
        trust: how many contributors have to agree where nobody reviewed; 0 for what was accepted only.
        max_drop: how far below the baseline the accuracy on users' digits may lie.

    Raises:
        FeedbackError: the folder cannot be read, or nothing in it may be trained on.
    """
    snapshot = take_snapshot(Store(folder).entries(), trust)
    sizes = {name: len(chosen) for name, chosen in snapshot.splits().items()}
    if not any(sizes.values()):
        raise FeedbackError(
            f"{folder} has no accepted contribution yet: review them (`digits feedback review`), or run without "
            "--feedback."
        )
    return UsersDigits(folder, trust, snapshot.digest, sizes[USERS_TRAIN], sizes[USERS], max_drop)
