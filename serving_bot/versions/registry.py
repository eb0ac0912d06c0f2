"""The registry: the push folder's versions with their states, and the live one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import fsspec

from models.export.layout import MODEL_FILE, is_as_exported
from serving_bot.versions.folder import (
    Choice,
    PushFolderError,
    Version,
    choose,
    describe_unservable,
    explained,
    nothing_pushed,
    pushed_at,
    read_card,
    version_folders,
)
from workers import Worker, WorkerEndedError, WorkerTimeoutError

INCOMPLETE = "saved_model.pb is missing: it is still being copied, or the copy was interrupted"

_CHECK_TIMEOUT_S = 120.0  # for all versions of a folder together


@dataclass(frozen=True)
class PushedVersion:
    """A version in the push folder."""

    version: Version  # its number and path
    card: dict[str, Any]  # its card; empty if unreadable
    problem: str | None  # why it cannot be served: INCOMPLETE, or the damage; None if it can

    @property
    def number(self) -> int:
        """The version number."""
        return self.version.number

    @property
    def pushed_at(self) -> datetime | None:
        """When it was pushed, UTC; None if unknown."""
        try:
            return pushed_at(self.version, self.card)
        except (OSError, NotImplementedError):  # no completion mark yet, or no file times
            return None

    @property
    def state(self) -> Literal["in order", "incomplete", "damaged"]:
        """The version's state."""
        if self.problem is None:
            return "in order"
        return "incomplete" if self.problem == INCOMPLETE else "damaged"

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy on the split `test`; None if the card does not say."""
        metrics = self.card.get("metrics")
        accuracy = metrics.get("test_accuracy") if isinstance(metrics, dict) else None
        return accuracy if isinstance(accuracy, float | int) else None

    @property
    def name(self) -> str:
        """Display name of the network and its epochs."""
        name = self.card.get("display_name") or self.card.get("model") or "unknown"
        epochs = self.card.get("epochs")
        return str(name) if epochs is None else f"{name}, {epochs} epoch{'s' if epochs != 1 else ''}"


@dataclass(frozen=True)
class Registry:
    """The push folder at one moment."""

    push_dir: str  # its path or address
    versions: tuple[PushedVersion, ...]  # all version folders, greatest first
    # the version that a bot serves: the pinned one, or the greatest in order; None if there is none
    live: PushedVersion | None
    pin: int | None  # the pinned version number; None without a pin
    problem: str | None  # the pin's problem; None if there is none

    def __getitem__(self, number: int) -> PushedVersion:
        """The version of that number.

        Raises:
            PushFolderError: it does not exist.
        """
        for version in self.versions:
            if version.number == number:
                return version
        raise PushFolderError(f"No version {number} in {self.push_dir}. `digits models list` lists the versions.")


def read_registry(push_dir: str) -> Registry:
    """Reads a push folder quickly: a version whose flatbuffer matches the checksum on its card counts as in order.

    Versions without a checksum on their cards are loaded as the bot loads them, in a separate process. `find_problem`
    loads any version.

    Raises:
        NoPushedModelError: it has no version at all.
        PushFolderError: it cannot be read.
    """
    with explained(push_dir, "read"):
        folders = version_folders(push_dir)
        if not folders:
            raise nothing_pushed(push_dir)
        choice = choose(push_dir)
        candidates = list(choice.versions)
        cards = {version: read_card(version) for version in folders}
        unknown = [version for version in candidates if not _is_as_exported(version, cards[version])]
        problems = {version: INCOMPLETE for version in folders if version not in candidates}
        problems |= _check(unknown)
        versions = {version: PushedVersion(version, cards[version], problems.get(version)) for version in folders}
    live = next((versions[version] for version in candidates if version not in problems), None)
    problem = choice.problem
    if problem is None and choice.pin is not None and (live is None or live.number != choice.pin):
        problem = describe_unservable(push_dir, choice.pin, "damaged")
    return Registry(push_dir, tuple(versions.values()), live, choice.pin, problem)


def asked_for(push_dir: str) -> tuple[PushedVersion, Choice]:
    """The version to serve, with few requests to the folder: it is not loaded.

    Raises:
        NoPushedModelError: there is no version; the message says what to do.
        PushFolderError: the folder cannot be read.
    """
    with explained(push_dir, "read"):
        choice = choose(push_dir)
        version = next(choice.versions, None)
        if version is None:
            raise nothing_pushed(push_dir)
        return PushedVersion(version, read_card(version), None), choice


def find_problem(version: PushedVersion) -> str | None:
    """Why a version cannot be served, or None; this check always reads the canary digits."""
    return version.problem or _check([version.version]).get(version.version)


def _is_as_exported(version: Version, card: dict[str, Any]) -> bool:
    filesystem, path = fsspec.core.url_to_fs(version.path)
    try:
        return bool(is_as_exported(card, filesystem.cat_file(f"{path}/{MODEL_FILE}")))
    except OSError:
        return False  # (the check reports the problem)


def _check(versions: Sequence[Version]) -> dict[Version, str]:
    """The problems of versions that cannot be served, best first; they read the canary digits until one passes.

    A worker loads them, because a damaged flatbuffer can crash the process that loads it.
    """
    left = list(versions)
    problems: dict[Version, str] = {}
    live_is_known = False
    deadline = time.monotonic() + _CHECK_TIMEOUT_S
    while left:
        with Worker("serving_bot.versions.check:load_versions") as worker:
            worker.send((left, live_is_known))
            while left:
                version, *left = left
                try:
                    problem = worker.receive(max(0.0, deadline - time.monotonic()))
                except (WorkerEndedError, WorkerTimeoutError) as error:
                    problems[version] = f"loading it failed: {error}"
                    break
                if problem is None:
                    live_is_known = True
                else:
                    problems[version] = problem
    return problems
