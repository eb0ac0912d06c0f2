"""The registry: what the push folder holds, what of it is live, what was live when, and changing that.

Rolling back and promoting write ``PUSH_DIR/pin``, which the bot obeys within a second; nothing is ever deleted. Each
change is a line of ``PUSH_DIR/history.jsonl``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem

from models.export.layout import CARD_FILE, MODEL_FILE, is_as_exported
from serving_bot.versions.folder import (
    PIN_FILE,
    NoPushedModelError,
    Version,
    is_complete,
    nothing_pushed,
    pinned_number,
    servable_versions,
    version_folders,
)

HISTORY_FILE = "history.jsonl"
INCOMPLETE = "saved_model.pb is missing: it is still being copied, or its copy was cut short"

_CHECK_TIMEOUT_S = 120.0
"""For all versions of a folder together."""

Action = Literal["push", "promote", "rollback", "unpin", "edit"]
_NOTED: tuple[Action, ...] = ("promote", "rollback", "unpin")


class RegistryError(Exception):
    """The push folder cannot be read or changed as asked; the message is one sentence with the next step."""


@dataclass(frozen=True)
class PushedVersion:
    """A version in the push folder.

    Attributes:
        version: its number and path.
        card: what its card says; empty where it cannot be read.
        problem: why it cannot be served: INCOMPLETE, or how it is damaged; None for a version in order.
    """

    version: Version
    card: dict[str, Any]
    problem: str | None

    @property
    def number(self) -> int:
        """The version number."""
        return self.version.number

    @property
    def pushed_at(self) -> datetime | None:
        """When it was pushed, UTC; None where nothing says so."""
        try:
            return self.version.pushed_at
        except (OSError, NotImplementedError):  # no mark yet; a file system without times
            return None

    @property
    def state(self) -> Literal["in order", "incomplete", "damaged"]:
        """The problem in a word."""
        if self.problem is None:
            return "in order"
        return "incomplete" if self.problem == INCOMPLETE else "damaged"

    @property
    def test_accuracy(self) -> float | None:
        """Share of right answers on the split `test`, None where the card does not say."""
        metrics = self.card.get("metrics")
        accuracy = metrics.get("test_accuracy") if isinstance(metrics, dict) else None
        return accuracy if isinstance(accuracy, float | int) else None

    @property
    def name(self) -> str:
        """The network and its epochs, for people."""
        name = self.card.get("display_name") or self.card.get("model") or "unknown"
        return f"{name}, {self.card['epochs']} epochs" if "epochs" in self.card else str(name)


@dataclass(frozen=True)
class Registry:
    """The push folder at one moment.

    Attributes:
        push_dir: where it is.
        versions: all version folders, greatest first.
        pin: the pinned version number, None without a pin.
        problem: what is wrong with the pin, None if all is well.
    """

    push_dir: str
    versions: tuple[PushedVersion, ...]
    pin: int | None
    problem: str | None

    @property
    def live(self) -> PushedVersion | None:
        """What a bot that starts now serves: the pinned version, or the greatest in order; None where it has none."""
        return next((version for version in self._candidates() if version.problem is None), None)

    def __getitem__(self, number: int) -> PushedVersion:
        """The version of that number.

        Raises:
            RegistryError: there is none.
        """
        for version in self.versions:
            if version.number == number:
                return version
        raise RegistryError(
            f"There is no version {number} in {self.push_dir}. `digits models list` shows those there are."
        )

    def _candidates(self) -> list[PushedVersion]:
        if self.problem is not None:
            return []
        return [version for version in self.versions if self.pin is None or version.number == self.pin]


@dataclass(frozen=True)
class Event:
    """Something that decided what the folder asks a bot to serve.

    Attributes:
        at: when, UTC; None where nobody knows.
        action: "push", or what was done to the pin; "edit" where it was changed in another way than by this module.
        version: the version pushed or pinned; None where the pin was removed.
        live: what the folder asked for from then on.
    """

    at: datetime | None
    action: Action
    version: int | None
    live: int | None


@dataclass(frozen=True)
class History:
    """What was live when.

    Attributes:
        events: oldest first.
        damaged_lines: numbers of the lines of history.jsonl that cannot be read, from 1.
    """

    events: tuple[Event, ...]
    damaged_lines: tuple[int, ...]


def read_registry(push_dir: str) -> Registry:
    """Looks at a push folder, quickly: a version whose flatbuffer has the checksum on its card counts as in order.

    Those whose cards have no checksum are loaded as the bot loads them, in a process of their own. `find_problem`
    loads any.

    Args:
        push_dir: local, or any address fsspec opens.

    Raises:
        NoPushedModelError: it holds no version at all.
        RegistryError: it cannot be read.
    """
    with _explained(push_dir, "read"):
        folders = version_folders(push_dir)
        if not folders:
            raise nothing_pushed(push_dir)
        pin, problem = None, None
        try:
            pin = pinned_number(push_dir)
        except NoPushedModelError as error:
            problem = str(error)
        complete = [version for version in folders if is_complete(version)]
        candidates = [version for version in complete if problem is None and pin in (None, version.number)]
        if pin is not None and not candidates:
            problem = (
                f"{push_dir}/{PIN_FILE} asks for version {pin}, which is not there or not complete. "
                "Pin another one (`digits models promote VERSION`) or none (`digits models unpin`)."
            )
        problems = {version: INCOMPLETE for version in folders if version not in complete}
        cards = {version: read_card(version) for version in folders}
        unknown = [version for version in complete if not _is_as_exported(version, cards[version])]
        problems |= _check(unknown, [version for version in candidates if version in unknown])
        versions = [PushedVersion(version, cards[version], problems.get(version)) for version in folders]
    return Registry(push_dir, tuple(versions), pin, problem)


def asked_for(push_dir: str) -> PushedVersion:
    """What the folder asks a bot to serve, with few looks at it: the version is not loaded.

    Raises:
        NoPushedModelError: nothing; the message says what to do.
        RegistryError: the folder cannot be read.
    """
    with _explained(push_dir, "read"):
        version = next(servable_versions(push_dir), None)
        if version is None:
            raise nothing_pushed(push_dir)
        return PushedVersion(version, read_card(version), None)


def promote(push_dir: str, number: int) -> PushedVersion:
    """Pins a version, so that it is served whatever is pushed later.

    Raises:
        NoPushedModelError: the folder holds no version.
        RegistryError: the version is not there, not complete or damaged, or the folder cannot be written.
    """
    registry = read_registry(push_dir)
    chosen = registry[number]
    problem = find_problem(chosen)
    if problem is not None:
        raise RegistryError(f"Version {number} cannot be served: {problem}. Nothing was changed.")
    _change(registry, "promote", number)
    return chosen


def rollback(push_dir: str) -> PushedVersion:
    """Pins the greatest version in order that is older than the live one.

    Raises:
        NoPushedModelError: the folder holds no version.
        RegistryError: nothing is live, nothing older is in order, or the folder cannot be written.
    """
    registry = read_registry(push_dir)
    live = registry.live
    if live is None:
        raise RegistryError(
            f"Nothing in {push_dir} is live that could be rolled back. `digits models list` shows what there is; "
            "`digits models promote VERSION` pins one."
        )
    for version in registry.versions:
        if version.number < live.number and find_problem(version) is None:
            _change(registry, "rollback", version.number)
            return version
    raise RegistryError(f"Version {live.number} is live, and {push_dir} holds no older one in order to go back to.")


def unpin(push_dir: str) -> bool:
    """Removes the pin, so that the newest version is served; returns whether there was one.

    Raises:
        NoPushedModelError: the folder holds no version.
        RegistryError: the folder cannot be written.
    """
    registry = read_registry(push_dir)
    if registry.pin is None and registry.problem is None:
        return False
    _change(registry, "unpin", None)
    return True


def read_history(registry: Registry) -> History:
    """What the folder asked a bot to serve, and since when: pushes by the versions it holds, pins by history.jsonl.

    Raises:
        RegistryError: history.jsonl cannot be read.
    """
    changes, damaged = _read_changes(registry.push_dir)
    for version in registry.versions:
        if version.problem != INCOMPLETE and version.pushed_at is not None:
            changes.append((version.pushed_at, "push", version.number))
    events: list[Event] = []
    newest: int | None = None
    pin: int | None = None
    for at, action, number in sorted(changes, key=lambda change: change[0]):
        if action == "push":
            newest = max(number or 0, newest or 0)
        else:
            pin = number
        events.append(Event(at, action, number, newest if pin is None else pin))
    if pin != registry.pin and registry.problem is None:
        at_last = None if registry.pin is None else _pin_time(registry.push_dir)
        events.append(Event(at_last, "edit", registry.pin, newest if registry.pin is None else registry.pin))
    return History(tuple(events), tuple(damaged))


def read_card(version: Version) -> dict[str, Any]:
    """The card of a version; empty where there is none that can be read."""
    filesystem, path = fsspec.core.url_to_fs(version.path)
    try:
        card = json.loads(filesystem.cat_file(f"{path}/{CARD_FILE}"))
    except (OSError, ValueError):
        return {}  # the check says what is wrong with it
    return card if isinstance(card, dict) else {}


def find_problem(version: PushedVersion) -> str | None:
    """What keeps a version from being served, None if nothing does; here every version answers the canary digits."""
    return version.problem or _check([version.version], [version.version]).get(version.version)


def _is_as_exported(version: Version, card: dict[str, Any]) -> bool:
    filesystem, path = fsspec.core.url_to_fs(version.path)
    try:
        return bool(is_as_exported(card, filesystem.cat_file(f"{path}/{MODEL_FILE}")))
    except OSError:
        return False  # the check says what is wrong with it


def _check(versions: Sequence[Version], candidates: Sequence[Version]) -> dict[Version, str]:
    """Loads versions in a process of its own, because a damaged flatbuffer can end the process that loads it.

    Args:
        versions: what to load.
        candidates: those of them that may be live, best first: they also answer the canary digits, until one does.

    Returns:
        What is wrong with those that cannot be served.
    """
    order = [*candidates, *(version for version in versions if version not in candidates)]
    problems: dict[Version, str] = {}
    while order:
        asked = json.dumps([[version.number, version.path, version in candidates] for version in order])
        command = [sys.executable, "-m", __name__]
        try:
            done = subprocess.run(
                command, input=asked.encode(), capture_output=True, timeout=_CHECK_TIMEOUT_S, check=False
            )
            output, ended = done.stdout, f"loading it ended with exit code {done.returncode}"
        except subprocess.TimeoutExpired as error:
            output, ended = error.stdout or b"", f"loading it did not end within {_CHECK_TIMEOUT_S:g} s"
        found: list[str | None] = [json.loads(line) for line in output.splitlines()]
        if len(found) < len(order):
            found.append(ended)
        problems |= {version: problem for version, problem in zip(order, found, strict=False) if problem is not None}
        if any(problem is None for version, problem in zip(order, found, strict=False) if version in candidates):
            candidates = []
        order = order[len(found) :]
    return problems


def _change(registry: Registry, action: Action, number: int | None) -> None:
    """Writes or removes the pin, then notes it."""
    push_dir = registry.push_dir
    with _explained(push_dir, "changed"):
        filesystem, root = fsspec.core.url_to_fs(push_dir)
        pin = f"{root.rstrip('/')}/{PIN_FILE}"
        if number is None:
            filesystem.rm_file(pin)
        elif isinstance(filesystem, LocalFileSystem):
            aside = f"{pin}.{uuid4().hex}"
            with open(aside, "x", encoding="ascii") as file:
                file.write(f"{number}\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, pin)
        else:
            filesystem.pipe_file(pin, f"{number}\n".encode())  # an object store shows a file when it is whole
    change = {
        "at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "action": action,
        "version": number,
        "was_live": registry.live.number if registry.live else None,
    }
    with _explained(push_dir, "noted in history.jsonl, though the pin was changed"):
        path = f"{root.rstrip('/')}/{HISTORY_FILE}"
        before = filesystem.cat_file(path) if filesystem.exists(path) else b""
        line = b"\n" * bool(before and not before.endswith(b"\n")) + json.dumps(change).encode() + b"\n"
        if isinstance(filesystem, LocalFileSystem):
            with open(path, "ab") as file:
                file.write(line)
        else:
            filesystem.pipe_file(path, before + line)  # an object store cannot append


def _read_changes(push_dir: str) -> tuple[list[tuple[datetime, Action, int | None]], list[int]]:
    """The changes of the pin (when, what, to which version), and the numbers of damaged lines."""
    with _explained(push_dir, "read"):
        filesystem, root = fsspec.core.url_to_fs(push_dir)
        try:
            content = filesystem.cat_file(f"{root.rstrip('/')}/{HISTORY_FILE}").decode("utf-8", "replace")
        except FileNotFoundError:
            content = ""
    changes: list[tuple[datetime, Action, int | None]] = []
    damaged = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            change = json.loads(line)
            at, action, version = datetime.fromisoformat(change["at"]), change["action"], change["version"]
            if action not in _NOTED or at.tzinfo is None or (version is None) != (action == "unpin"):
                raise ValueError(line)
            changes.append((at, action, None if version is None else int(version)))
        except (ValueError, KeyError, TypeError):
            damaged.append(number)
    return changes, damaged


def _pin_time(push_dir: str) -> datetime | None:
    filesystem, root = fsspec.core.url_to_fs(push_dir)
    try:
        modified: datetime = filesystem.modified(f"{root.rstrip('/')}/{PIN_FILE}")
    except (OSError, NotImplementedError):
        return None
    return modified


@contextmanager
def _explained(push_dir: str, done: str) -> Iterator[None]:
    """Turns what a file system says into a RegistryError."""
    try:
        yield
    except OSError as error:
        raise RegistryError(f"{push_dir} could not be {done}: {error.strerror or error}.") from error
    except (ImportError, ValueError) as error:  # a protocol that fsspec does not know, or without its package
        raise RegistryError(f"{push_dir} cannot be opened: {error}") from error


def main() -> None:
    """Loads the versions that come as JSON on standard input; a line for each: what is wrong with it, or null."""
    from serving_bot.reading.classifier import BrokenModelError, Classifier  # noqa: PLC0415 (the parent needs no LiteRT)
    from serving_bot.versions.hot_swap import ServedModel  # noqa: PLC0415

    live_is_known = False
    for number, path, candidate in json.load(sys.stdin):
        problem = None
        try:
            if candidate and not live_is_known:
                ServedModel.load(Version(number, path), readers=1)
                live_is_known = True
            else:
                Classifier.load(path)
        except BrokenModelError as error:
            problem = str(error).removeprefix(f"{path}: ")
        print(json.dumps(problem), flush=True)


if __name__ == "__main__":
    main()
