"""The push folder: its versions, and which of them to serve.

The layout is TensorFlow Serving's: ``PUSH_DIR/<integer>/saved_model.pb``; the greatest integer wins. The pusher copies
``saved_model.pb`` last, so a version folder without it is incomplete. If ``PUSH_DIR/pin`` exists, it holds the number
of the version to serve instead of the newest. A process that changes a local folder holds ``PUSH_DIR/.lock``. Other
names are ignored.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import chain
from typing import Any

import fsspec
from filelock import FileLock, Timeout

from models.export.layout import CARD_FILE
from serving_bot import storage
from workers import UserError

COMPLETE_MARK = "saved_model.pb"
PIN_FILE = "pin"
LOCK_FILE = ".lock"
LOCK_TIMEOUT_S = 60.0  # a push holds the lock while it copies, which takes seconds


class NoPushedModelError(UserError):
    """The push folder has no complete version."""


class InvalidPinError(Exception):
    """The pin is not a version number."""


class PushFolderError(UserError):
    """The push folder cannot be read or changed as requested."""


@dataclass(frozen=True, order=True)
class Version:
    """A version folder: its number, and its path for fsspec."""

    number: int
    path: str


def read_card(version: Version) -> dict[str, Any]:
    """The card of a version; empty if it is missing or unreadable."""
    filesystem, path = fsspec.core.url_to_fs(version.path)
    try:
        card = json.loads(filesystem.cat_file(f"{path}/{CARD_FILE}"))
    except (OSError, ValueError):
        return {}  # (the check reports the problem)
    return card if isinstance(card, dict) else {}


def pushed_at(version: Version, card: dict[str, Any]) -> datetime:
    """When a version was pushed, UTC: from its card, else from its number, else when its copy was complete.

    Raises:
        OSError, NotImplementedError: it is incomplete, or the file system does not store times.
    """
    try:
        at = datetime.fromisoformat(str(card.get("pushed_at")))
    except ValueError:
        at = None
    if at is not None and at.tzinfo is not None:
        return at.astimezone(timezone.utc)
    if 10**9 <= version.number <= 2**32:  # the pusher uses seconds as version numbers
        return datetime.fromtimestamp(version.number, timezone.utc)
    filesystem, path = fsspec.core.url_to_fs(f"{version.path}/{COMPLETE_MARK}")
    modified: datetime = filesystem.modified(path)
    return modified


def version_folders(push_dir: str) -> list[Version]:
    """All folders named like a version, complete or not, greatest first."""
    filesystem, root = fsspec.core.url_to_fs(push_dir)
    filesystem.invalidate_cache()  # remote file systems cache their listings
    if not filesystem.isdir(root):
        return []
    entries = [entry for entry in filesystem.ls(root, detail=True) if entry["type"] != "file"]
    names = (os.path.basename(entry["name"].rstrip("/")) for entry in entries)
    versions = [Version(int(name), f"{push_dir.rstrip('/')}/{name}") for name in names if re.fullmatch("[0-9]+", name)]
    return sorted(versions, reverse=True)


def is_complete(version: Version) -> bool:
    """Whether the version was copied completely."""
    filesystem, path = fsspec.core.url_to_fs(version.path)
    return bool(filesystem.exists(f"{path}/{COMPLETE_MARK}"))


def pinned_number(push_dir: str) -> int | None:
    """The version number in ``PUSH_DIR/pin``; None without a pin.

    Raises:
        InvalidPinError: the pin is not an integer.
    """
    filesystem, root = fsspec.core.url_to_fs(push_dir)
    try:
        text = filesystem.cat_file(f"{root.rstrip('/')}/{PIN_FILE}").decode("ascii", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not re.fullmatch("[0-9]+", text):
        raise InvalidPinError(
            f"{push_dir}/{PIN_FILE} must contain one version number, not {text[:40]!r}: serving the newest working "
            "version instead. Correct it or remove it (`digits models unpin`)."
        )
    return int(text)


@dataclass(frozen=True)
class Choice:
    """The versions to serve from a push folder."""

    pin: int | None  # the pinned number; None without a readable pin
    problem: str | None  # why the pin cannot be followed, and what to do; None if there is no problem
    # the complete versions, best first; lazy, because each costs a request on a remote store. The first that can be
    # loaded is live
    versions: Iterator[Version]


def choose(push_dir: str) -> Choice:
    """Decides which version to serve, for the bot and for `digits models`.

    This is the pinned version; without a pin, or if the pinned version cannot be served, it is the greatest one.
    """
    folders = version_folders(push_dir)
    pin, problem = None, None
    try:
        pin = pinned_number(push_dir)
    except InvalidPinError as error:
        problem = str(error)
    first = [version for version in folders if version.number == pin and is_complete(version)]
    if pin is not None and folders and not first:
        problem = describe_unservable(push_dir, pin, "missing or incomplete")
    others = (version for version in folders if version.number != pin and is_complete(version))
    return Choice(pin, problem, chain(first, others))


def describe_unservable(push_dir: str, pin: int, state: str) -> str:
    """The message about a pin that cannot be followed."""
    return (
        f"{push_dir}/{PIN_FILE} asks for version {pin}, which is {state}: serving the newest working version instead. "
        "Pin another version (`digits models promote VERSION`) or remove the pin (`digits models unpin`)."
    )


@contextmanager
def locked(push_dir: str) -> Iterator[None]:
    """Lets one process at a time change a local push folder. Does nothing if the folder is missing or an address.

    Raises:
        PushFolderError: another command still changes the folder after a minute.
        OSError: the folder cannot be written.
    """
    push_dir = push_dir.removeprefix("file://")
    if "://" in push_dir or not os.path.isdir(push_dir):
        yield
        return
    # Other users who may write to the folder may also open the lock.
    lock = FileLock(os.path.join(push_dir, LOCK_FILE), timeout=LOCK_TIMEOUT_S, mode=0o666)
    try:
        lock.acquire()
    except Timeout as error:
        raise PushFolderError(
            f"Another command has been changing {push_dir} for {LOCK_TIMEOUT_S:g} s. Try again when it has ended."
        ) from error
    try:
        yield
    finally:
        lock.release()


def nothing_pushed(push_dir: str) -> NoPushedModelError:
    """The error for a folder without versions, or for something else than a folder."""
    filesystem, root = fsspec.core.url_to_fs(push_dir)
    if filesystem.isfile(root):
        return NoPushedModelError(f"{push_dir} is a file. Name the folder of pushed models with --push-dir.")
    return NoPushedModelError(
        f"No model has been pushed to {push_dir} yet. Push one (`make run`), or name another folder with --push-dir."
    )


def explained(push_dir: str, done: str) -> AbstractContextManager[None]:
    """Turns a file system's error into a PushFolderError; ``done`` completes the sentence "... could not be"."""
    return storage.explained(push_dir, done, PushFolderError)
