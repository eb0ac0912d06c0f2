"""The feedback folder: contributions, which never change, and their reviews; local or any address for fsspec.

    FEEDBACK/contributions/<contributor>/<id>.png   one digit, with its facts (serving_bot/feedback/contribution.py)
    FEEDBACK/reviews/<contributor>/<id>.json        the operator's decision

Forgetting a contributor removes both of their folders.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

import fsspec

from models.features import NUM_CLASSES
from serving_bot.feedback.contribution import Contribution, FeedbackError
from serving_bot.storage import explained, write_whole

Verdict = Literal["accepted", "rejected"]


@dataclass(frozen=True)
class Review:
    """The operator's decision on a contribution."""

    verdict: Verdict
    digit: int | None  # the label of an accepted one, the contributor's or another; None for a non-digit
    at: datetime  # time of the decision, UTC


@dataclass(frozen=True)
class Entry:
    """A contribution and its review; None if it has none yet."""

    contribution: Contribution
    review: Review | None

    @property
    def state(self) -> str:
        """`waiting`, `accepted` or `rejected`."""
        return self.review.verdict if self.review else "waiting"


class Store:
    """Contributions and reviews in one folder.

    Args:
        folder: local, or an address that fsspec opens, such as ``gs://bucket/feedback``.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        with self._explained("opened"):
            self._files, root = fsspec.core.url_to_fs(folder)
        self._root = root.rstrip("/")

    def add(self, contribution_id: str, contributor: str, png: bytes) -> None:
        """Stores a contribution, unless it is there already.

        Raises:
            FeedbackError: the folder cannot be written.
        """
        path = f"{self._root}/contributions/{contributor}/{contribution_id}.png"
        with self._explained("written"):
            if not self._files.exists(path):
                self._write(path, png)

    def entries(self, contributor: str | None = None) -> list[Entry]:
        """All contributions, or those of one contributor, with their reviews; oldest first.

        Raises:
            FeedbackError: the folder cannot be read, or a file in it is damaged.
        """
        below = f"/{contributor}" if contributor else ""
        reviews = dict(self._read(f"reviews{below}", ".json"))
        entries = [
            self._entry(path, data, reviews.get(_review_path(path)))
            for path, data in self._read(f"contributions{below}", ".png")
        ]
        return sorted(entries, key=lambda entry: (entry.contribution.at, entry.contribution.id))

    def find(self, prefix: str) -> Entry:
        """The contribution whose id starts with a prefix; no other is read.

        Raises:
            FeedbackError: no contribution matches, or several do.
        """
        with self._explained("read"):
            self._files.invalidate_cache()
            named = prefix if prefix.isalnum() else ""  # (an id is; other characters would be a pattern)
            found = self._files.glob(f"{self._root}/contributions/*/{named}*.png") if named else []
            if len(found) != 1:
                count = "several contributions" if found else "no contribution"
                raise FeedbackError(f"{self.folder} has {count} with an id that begins with {prefix!r}.")
            (path,) = found
            review = _review_path(path)
            paths = [path, *([review] if self._files.exists(review) else [])]
            contents = self._files.cat(paths)
        return self._entry(path, contents[path], contents.get(review))

    def review(self, contribution: Contribution, verdict: Verdict, digit: int | None) -> Review:
        """Records a decision; a later one replaces an earlier one.

        Raises:
            FeedbackError: the folder cannot be written.
            ValueError: the digit is outside 0..9.
        """
        if digit is not None and not 0 <= digit < NUM_CLASSES:
            raise ValueError(f"{digit} is outside 0..9")
        review = Review(verdict, digit if verdict == "accepted" else None, datetime.now(timezone.utc))
        facts = {"verdict": verdict, "digit": review.digit, "at": review.at.isoformat(timespec="seconds")}
        path = f"{self._root}/reviews/{contribution.contributor}/{contribution.id}.json"
        with self._explained("written"):
            self._write(path, (json.dumps(facts) + "\n").encode())
        return review

    def forget(self, contributors: Iterable[str]) -> int:
        """Deletes all contributions and reviews of some contributors.

        Returns:
            The number of deleted contributions.

        Raises:
            FeedbackError: the folder cannot be changed.
        """
        count = 0
        with self._explained("changed"):
            self._files.invalidate_cache()
            for contributor in contributors:
                count += len(self._files.find(f"{self._root}/contributions/{contributor}"))
                for kind in ("reviews", "contributions"):
                    folder = f"{self._root}/{kind}/{contributor}"
                    if self._files.exists(folder):
                        self._files.rm(folder, recursive=True)
        return count

    def contributors(self) -> set[str]:
        """The codes of all contributors."""
        with self._explained("read"):
            self._files.invalidate_cache()
            return {path.split("/")[-2] for path in self._files.find(f"{self._root}/contributions")}

    def _read(self, folder: str, suffix: str) -> Iterator[tuple[str, bytes]]:
        with self._explained("read"):
            self._files.invalidate_cache()
            paths = [path for path in self._files.find(f"{self._root}/{folder}") if path.endswith(suffix)]
            contents = self._files.cat(paths) if paths else {}
        yield from sorted(contents.items())

    def _entry(self, path: str, data: bytes, review: bytes | None) -> Entry:
        return Entry(
            self._parse(path, data), None if review is None else self._parse_review(_review_path(path), review)
        )

    def _parse(self, path: str, data: bytes) -> Contribution:
        try:
            contribution = Contribution.from_png(data)
        except ValueError as error:
            raise FeedbackError(f"{path} is not a contribution: {error}. Remove it.") from error
        if path.split("/")[-2:] != [contribution.contributor, f"{contribution.id}.png"]:
            raise FeedbackError(f"{path} holds another contribution than its name says. Remove it.")
        return contribution

    def _parse_review(self, path: str, data: bytes) -> Review:
        try:
            facts = json.loads(data)
            digit = None if facts["digit"] is None else int(facts["digit"])
            if facts["verdict"] not in ("accepted", "rejected") or (digit is not None and not 0 <= digit <= 9):
                raise ValueError("no such verdict or digit")
            return Review(facts["verdict"], digit, datetime.fromisoformat(facts["at"]))
        except (ValueError, KeyError, TypeError) as error:
            raise FeedbackError(f"{path} is not a review ({error}). Remove it, and review again.") from error

    def _write(self, path: str, data: bytes) -> None:
        self._files.makedirs(os.path.dirname(path), exist_ok=True)
        write_whole(self._files, path, data, mode=0o640)

    def _explained(self, done: str) -> AbstractContextManager[None]:
        """Turns a file system's error into a FeedbackError."""
        return explained(self.folder, done, FeedbackError)


def _review_path(contribution: str) -> str:
    return contribution.replace("/contributions/", "/reviews/").removesuffix(".png") + ".json"
