"""The contributions and contributors of a run, which MnistExampleGen records beside its examples."""

from __future__ import annotations

import json
from dataclasses import dataclass

import fsspec

from pipeline.history.records import Artifact, HistoryError
from serving_bot.feedback.snapshot import SNAPSHOT_FILE


@dataclass(frozen=True)
class Members:
    """The content of a run's snapshot of the feedback folder."""

    ids: frozenset[str] = frozenset()  # of contributions
    contributors: frozenset[str] = frozenset()  # their codes


def read_members(examples: Artifact) -> Members:
    """The members of the snapshot behind some examples; empty if they are only MNIST.

    Raises:
        HistoryError: the record is missing or damaged.
    """
    if "feedback" not in examples.properties:
        return Members()
    path = f"{examples.uri}/{SNAPSHOT_FILE}"
    try:
        with fsspec.open(path, encoding="utf-8", mode="r") as file:
            members = json.load(file)
        return Members(frozenset(members["ids"]), frozenset(members["contributors"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HistoryError(f"{path}, the record of a run's contributors, cannot be read ({error}).") from error
