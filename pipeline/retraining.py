"""Decides whether to train again on users' contributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from pipeline.history.records import Run
from pipeline.history.users import Members, read_members
from serving_bot.feedback.snapshot import take_snapshot
from serving_bot.feedback.store import Entry

RECENT = 100  # judged digits for estimating the live model's error
_ENDED = ("pushed", "not blessed", "evaluated")
FEWEST_RECENT = 30  # minimum for an estimate


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
    now: datetime | None = None,
) -> Decision:
    """Decides whether a run is due.

    It is where there are `min_new` accepted contributions that no run has seen; where the last run with users' digits
    is older than `every` and there is at least one; or where the live model was wrong in more than `max_wrong` of the
    last digits that people judged. A forgotten contributor is a reason too.

    Args:
        entries: all contributions.
        runs: all runs of the root, newest first.
        trust: as `digits run --trust`.
        min_new: number of new accepted contributions that is enough.
        every: maximum time between two runs.
        max_wrong: a share of 1.
        now: for tests; by default, now.
    """
    snapshot = take_snapshot(entries, trust)
    last = next((run for run in runs if run.users is not None and run.state in _ENDED), None)
    seen = read_members(last.examples) if last and last.examples else Members()
    new = len({one.id for one in snapshot.examples} - seen.ids)
    if gone := seen.contributors - {entry.contribution.contributor for entry in entries}:
        who = (
            "1 contributor of the last run has" if len(gone) == 1 else f"{len(gone)} contributors of the last run have"
        )
        return Decision(bool(snapshot.examples), f"{who} been forgotten since")
    if not new:
        return Decision(False, "nothing was accepted since the last run")
    if new >= min_new:
        return Decision(True, f"{new} accepted contributions are new")
    wrong = wrong_share(entries)
    if wrong is not None and wrong > max_wrong:
        return Decision(True, f"{wrong:.0%} of the last judged digits were wrong")
    age = (now or datetime.now(timezone.utc)) - last.started if last else None
    if age is not None and age >= every:
        return Decision(True, f"the last run with users' digits is {age.days} days old, and {new} are new")
    return Decision(False, f"{new} accepted contributions are new, of {min_new} needed")


def wrong_share(entries: Sequence[Entry]) -> float | None:
    """The share of wrong answers among the last judged digits; None if too few were judged."""
    judged = [entry.contribution for entry in entries if entry.state != "rejected"][-RECENT:]
    return sum(one.corrects for one in judged) / len(judged) if len(judged) >= FEWEST_RECENT else None
