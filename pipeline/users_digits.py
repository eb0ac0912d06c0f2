"""Selects the bot's feedback for a run."""

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
        trust: contributors who must agree without a review; 0 for accepted contributions only.
        max_drop: maximum drop of accuracy on users' digits below the baseline's.

    Raises:
        FeedbackError: the folder cannot be read, or has nothing usable for training.
    """
    snapshot = take_snapshot(Store(folder).entries(), trust)
    sizes = {name: len(chosen) for name, chosen in snapshot.splits().items()}
    if not any(sizes.values()):
        raise FeedbackError(
            f"{folder} has no accepted contribution yet: review them (`digits feedback review`), or run without "
            "--feedback."
        )
    return UsersDigits(folder, trust, snapshot.digest, sizes[USERS_TRAIN], sizes[USERS], max_drop)


def expect_users_digits(folder: str, trust: int, max_drop: float) -> UsersDigits:
    """Leaves the choice to the run, for a job that is compiled here and runs elsewhere, perhaps often.

    The run fails if nothing is accepted for training or for evaluation. Arguments as for `choose_users_digits`.
    """
    return UsersDigits(folder, trust, digest="", trained=1, evaluated=1, max_drop=max_drop)
