"""Decides whether to train again on users' contributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import numpy as np

from models.features import OUTLIER
from pipeline.history.records import Run
from pipeline.history.users import Members, read_members
from serving_bot.feedback.snapshot import Example, take_snapshot
from serving_bot.feedback.store import Entry

if TYPE_CHECKING:
    from pipeline.data.drift import Drift, Images, Labels

RECENT = 100  # judged digits for estimating the live model's error
_ENDED = ("pushed", "not blessed", "evaluated")
FEWEST_RECENT = 30  # minimum for an estimate, and to compare digits


@dataclass(frozen=True)
class Decision:
    """Whether to train, and the reason."""

    due: bool
    reason: str  # a sentence


def decide(
    entries: Sequence[Entry],
    runs: Sequence[Run],
    *,
    trust: int,
    min_new: int,
    every: timedelta,
    max_wrong: float,
    max_drift: float,
    now: datetime | None = None,
) -> Decision:
    """Decides whether a run is due.

    It is where there are `min_new` accepted contributions that no run has seen; where the last run with users' digits
    is older than `every` and there is at least one; where the live model was wrong in more than `max_wrong` of the last
    digits that people judged; or where the new digits differ by more than `max_drift` from those that were trained on.
    A forgotten contributor is a reason too.

    Args:
        entries: all contributions.
        runs: all runs of the root, newest first.
        trust: as `digits run --trust`.
        min_new: number of new accepted contributions that is enough.
        every: maximum time between two runs.
        max_wrong: a share of 1.
        max_drift: a distance from 0 to 1 (pipeline/data/drift.py).
        now: for tests; by default, now.
    """
    snapshot = take_snapshot(entries, trust)
    last = next((run for run in runs if run.users is not None and run.state in _ENDED), None)
    seen = read_members(last.examples) if last and last.examples else Members()
    new_ones = [one for one in snapshot.examples if one.id not in seen.ids]
    new = len(new_ones)
    if gone := seen.contributors - {entry.contribution.contributor for entry in entries}:
        who = (
            "1 contributor of the last run has" if len(gone) == 1 else f"{len(gone)} contributors of the last run have"
        )
        return Decision(bool(snapshot.examples), f"{who} been forgotten since")
    if not new:
        return Decision(False, "nothing was accepted since the last run")
    wrong = wrong_share(entries)
    age = (now or datetime.now(timezone.utc)) - last.started if last else None
    if new >= min_new:
        reason = f"{new} accepted contributions are new"
    elif wrong is not None and wrong > max_wrong:
        reason = f"{wrong:.0%} of the last judged digits were wrong"
    elif age is not None and age >= every:
        reason = f"the last run with users' digits is {age.days} days old, and {new} are new"
    else:
        drift, reference = measure_new(new_ones, [one for one in snapshot.examples if one.id in seen.ids], runs)
        if drift is None or drift.largest <= max_drift:
            return Decision(False, f"{new} accepted contributions are new, of {min_new} needed")
        reason = f"the {new} new digits differ from {reference} in {drift}"
    return Decision(True, reason)


def measure_new(new: Sequence[Example], seen: Sequence[Example], runs: Sequence[Run]) -> tuple[Drift | None, str]:
    """The drift of new digits from the users' digits that were trained on, or from MNIST's where those are few.

    Returns:
        The drift, None where too few digits are new or nothing was trained on, and what they were compared with.
    """
    if len(new) < FEWEST_RECENT:
        return None, ""
    from pipeline.data.drift import measure_drift, read_digits  # noqa: PLC0415 (loads TensorFlow)

    if len(seen) >= FEWEST_RECENT:
        return measure_drift(_arrays(new), _arrays(seen)), "the last run's users' digits"
    examples = next((run.examples for run in runs if run.examples is not None and run.state in _ENDED), None)
    if examples is None:
        return None, ""
    return measure_drift(_arrays(new), read_digits([f"{examples.uri}/Split-train"])), "MNIST's training images"


def _arrays(examples: Sequence[Example]) -> tuple[Images, Labels]:
    labels = [OUTLIER if one.digit is None else one.digit for one in examples]
    return np.stack([one.image for one in examples]), np.array(labels, np.int64)


def wrong_share(entries: Sequence[Entry]) -> float | None:
    """The share of wrong answers among the last judged digits; None if too few were judged."""
    judged = [entry.contribution for entry in entries if entry.state != "rejected"][-RECENT:]
    return sum(one.corrects for one in judged) / len(judged) if len(judged) >= FEWEST_RECENT else None
