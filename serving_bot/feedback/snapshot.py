"""Selects the contributions to train on, accepted or trusted, splits them by contributor, and digests them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.features import USERS, USERS_TRAIN
from serving_bot.feedback.store import Entry

SNAPSHOT_FILE = "snapshot.json"  # beside the examples of a run: JSON of the ids and contributors in them
EVALUATION_SHARE = 4  # one contributor in so many is for evaluation, never for training
RECORD = 20  # minimum reviewed contributions for a record
RELIABLE = 0.95  # minimum share of them accepted with the contributor's label, for a good record
NEAR = 0.06  # blurred crops that differ by less than this share of their ink are nearly identical
_BLUR = 1.5  # sigma in pixels
_PIVOTS = 16


@dataclass(frozen=True)
class Example:
    """A digit to train or evaluate on."""

    id: str
    contributor: str
    image: npt.NDArray[np.uint8]  # [28, 28]
    digit: int | None  # None for a non-digit
    answered: int  # the model's answer at the time

    @property
    def evaluates(self) -> bool:
        """Whether its contributor is for evaluation. The same in every run."""
        return int(hashlib.sha256(self.contributor.encode()).hexdigest(), 16) % EVALUATION_SHARE == 0


@dataclass(frozen=True)
class Snapshot:
    """The examples at one moment, ordered by id."""

    examples: tuple[Example, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over ids, digits and images, hexadecimal."""
        digest = hashlib.sha256()
        for one in self.examples:
            digest.update(f"{one.id} {one.contributor} {one.digit}\n".encode() + one.image.tobytes())
        return digest.hexdigest()

    def splits(self) -> dict[str, list[Example]]:
        """The examples for training and for evaluation, by split."""
        return {
            USERS_TRAIN: [one for one in self.examples if not one.evaluates],
            USERS: [one for one in self.examples if one.evaluates],
        }

    @property
    def contributors(self) -> list[str]:
        """The codes of its contributors."""
        return sorted({one.contributor for one in self.examples})


def take_snapshot(entries: Sequence[Entry], trust: int = 0) -> Snapshot:
    """Selects the contributions to use.

    An accepted contribution has its reviewed label. One without a review is used only with `trust`: if its contributor
    has a good record, or if that many contributors give nearly identical crops the same label and nobody gives another.
    Non-digits teach the network to abstain, and are left out if their contributor is for evaluation.

    Args:
        entries: all contributions.
        trust: number of contributors who must agree, 2 or more; 0 for reviewed contributions only.
    """
    chosen = [(entry, entry.review.digit) for entry in entries if entry.review and entry.review.verdict == "accepted"]
    if trust:
        waiting = [entry for entry in entries if entry.review is None]
        reliable = _reliable(entries)
        agreed = _agreed(waiting, trust)
        chosen += [
            (entry, entry.contribution.said)
            for entry in waiting
            if entry.contribution.contributor in reliable or entry.contribution.id in agreed
        ]
    examples = [
        Example(one.id, one.contributor, one.image, digit, one.answered)
        for one, digit in ((entry.contribution, digit) for entry, digit in chosen)
    ]
    used = (one for one in examples if one.digit is not None or not one.evaluates)
    return Snapshot(tuple(sorted(used, key=lambda example: example.id)))


def rate_contributors(entries: Sequence[Entry]) -> dict[str, tuple[int, int]]:
    """The number of reviewed contributions of each contributor, and of those accepted with the contributor's label."""
    rates: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for entry in entries:
        if entry.review is not None:
            right = entry.review.verdict == "accepted" and entry.review.digit == entry.contribution.said
            reviewed, before = rates[entry.contribution.contributor]
            rates[entry.contribution.contributor] = reviewed + 1, before + right
    return dict(rates)


def _reliable(entries: Sequence[Entry]) -> set[str]:
    rates = rate_contributors(entries).items()
    return {name for name, (reviewed, right) in rates if reviewed >= RECORD and right >= RELIABLE * reviewed}


def _agreed(waiting: Sequence[Entry], trust: int) -> set[str]:
    """The ids of contributions on which enough contributors agree."""
    if not waiting:
        return set()
    blurred = np.stack([cv2.GaussianBlur(entry.contribution.image, (0, 0), _BLUR) for entry in waiting])
    agreed = set()
    for entry, indices in zip(waiting, find_near(blurred.reshape(len(waiting), -1)), strict=True):
        near = [waiting[index].contribution for index in indices]
        one_opinion = len({one.said for one in near}) == 1
        if one_opinion and len({one.contributor for one in near}) >= trust:
            agreed.add(entry.contribution.id)
    return agreed


def find_near(crops: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.intp]]:
    """For each crop, the indices of those that it differs from by less than NEAR, itself included.

    The difference is the sum of absolute differences as a share of the ink of both, since most of a crop is empty. It
    is computed only where the triangle inequality leaves it open: two crops differ by at least as much as their
    differences from a third one (Mico, Oncina, Vidal: LAESA, 1994), and as their inks.

    Args:
        crops: uint8 [N, pixels].
    """
    rows = crops.astype(np.float32) / 255
    ink = rows.sum(axis=1)
    order = np.argsort(ink, kind="stable")
    rows, ink = rows[order], ink[order]
    pivots = rows[:: max(1, len(rows) // _PIVOTS)][:_PIVOTS]
    away = np.stack([np.abs(rows - pivot).sum(axis=1) for pivot in pivots], axis=1)
    least = np.searchsorted(ink, ink * (1 - NEAR) / (1 + NEAR) - 1e-3)
    most = np.searchsorted(ink, ink * (1 + NEAR) / (1 - NEAR) + 1e-3, side="right")
    near: list[npt.NDArray[np.intp]] = [np.empty(0, np.intp)] * len(rows)
    for place, (first, last) in enumerate(zip(least, most, strict=True)):
        reach = NEAR * (ink[place] + ink[first:last]) + 1e-3  # (float32 rounds)
        close = first + np.flatnonzero((np.abs(away[first:last] - away[place]) < reach[:, np.newaxis]).all(axis=1))
        difference = np.abs(rows[close] - rows[place]).sum(axis=1) / np.maximum(ink[place] + ink[close], 1e-6)
        near[order[place]] = order[close[difference < NEAR]]
    return near
