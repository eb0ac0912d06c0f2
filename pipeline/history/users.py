"""Which contributions and contributors a run has seen, as MnistExampleGen noted them beside its examples."""

from __future__ import annotations

import json
from dataclasses import dataclass

import fsspec

from pipeline.history.records import Artifact, HistoryError
from serving_bot.feedback.snapshot import SNAPSHOT_FILE


@dataclass(frozen=True)
class Members:
    """What is in a run's snapshot of the feedback folder."""

    ids: frozenset[str] = frozenset()  # of contributions
    contributors: frozenset[str] = frozenset()  # their codes


def read_members(examples: Artifact) -> Members:
    """The members of the snapshot that examples were made of; none where they are MNIST alone.

    Raises:
        HistoryError: the note is gone or damaged.
    """
    if "feedback" not in examples.properties:
        return Members()
    path = f"{examples.uri}/{SNAPSHOT_FILE}"
    try:
        with fsspec.open(path, encoding="utf-8", mode="r") as file:
            members = json.load(file)
        return Members(frozenset(members["ids"]), frozenset(members["contributors"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HistoryError(f"{path}, which says whose digits a run has seen, cannot be read ({error}).") from error
