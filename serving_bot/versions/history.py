"""What was live when: pushes from the folder's versions, changes of the pin from its ``history.jsonl``."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

import fsspec
from fsspec.implementations.local import LocalFileSystem

from serving_bot.versions.folder import PIN_FILE, explained
from serving_bot.versions.registry import INCOMPLETE, Registry

HISTORY_FILE = "history.jsonl"

Action = Literal["push", "promote", "rollback", "unpin", "edit"]
_NOTED: tuple[Action, ...] = ("promote", "rollback", "unpin")


@dataclass(frozen=True)
class Event:
    """A change of the version to serve."""

    at: datetime | None  # when, UTC; None if unknown
    # "push", or the change of the pin; "edit" if it was not changed by this module
    action: Action
    version: int | None  # the version pushed or pinned; None if the pin was removed
    live: int | None  # the version to serve from then on


@dataclass(frozen=True)
class History:
    """What was live when."""

    events: tuple[Event, ...]  # oldest first
    damaged_lines: tuple[int, ...]  # numbers of unreadable lines of history.jsonl, from 1


def read_history(registry: Registry) -> History:
    """The versions to serve over time: pushes from the folder's versions, pins from history.jsonl.

    Raises:
        PushFolderError: history.jsonl cannot be read.
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


def note_change(registry: Registry, action: Action, number: int | None) -> None:
    """Appends a change of the pin; on a local disk, atomically and synced. The folder must be locked.

    `registry` is the folder before the change, `number` the version now pinned, None if the pin was removed.

    Raises:
        OSError: the file cannot be written.
    """
    change = {
        "at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "action": action,
        "version": number,
        "was_live": registry.live.number if registry.live else None,
    }
    filesystem, root = fsspec.core.url_to_fs(registry.push_dir)
    path = f"{root.rstrip('/')}/{HISTORY_FILE}"
    before = filesystem.cat_file(path) if filesystem.exists(path) else b""
    line = b"\n" * bool(before and not before.endswith(b"\n")) + json.dumps(change).encode() + b"\n"
    if isinstance(filesystem, LocalFileSystem):
        with open(path, "ab", buffering=0) as file:
            size = file.tell()
            try:
                if file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
    else:
        filesystem.pipe_file(path, before + line)  # object stores cannot append


def _read_changes(push_dir: str) -> tuple[list[tuple[datetime, Action, int | None]], list[int]]:
    """The changes of the pin (when, what, to which version), and the numbers of damaged lines."""
    with explained(push_dir, "read"):
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
