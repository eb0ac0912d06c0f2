"""The push folder: which versions it holds, and which of them is to be served.

The layout is TensorFlow Serving's: ``PUSH_DIR/<integer>/saved_model.pb``, the greatest integer wins. The
pusher copies ``saved_model.pb`` last, so a version folder without it is still being copied.
``PUSH_DIR/pin``, where it exists, holds one version number, which is then served instead of the newest.
Other names are ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

import fsspec

COMPLETE_MARK = "saved_model.pb"
PIN_FILE = "pin"


class NoPushedModelError(Exception):
    """The push folder holds no complete version, or its pin names one that it does not hold."""


@dataclass(frozen=True, order=True)
class Version:
    """One version folder: its number, and its path as fsspec opens it."""

    number: int
    path: str

    @property
    def pushed_at(self) -> datetime:
        """When it was pushed, UTC: the pusher names versions by the second. For others, the mark's time."""
        if 10**9 <= self.number <= 2**32:
            return datetime.fromtimestamp(self.number, timezone.utc)
        filesystem, path = fsspec.core.url_to_fs(f"{self.path}/{COMPLETE_MARK}")
        modified: datetime = filesystem.modified(path)
        return modified


def version_folders(push_dir: str) -> list[Version]:
    """All folders named like a version, complete or not, greatest first."""
    filesystem, root = fsspec.core.url_to_fs(push_dir)
    filesystem.invalidate_cache()  # remote file systems remember their listings
    if not filesystem.isdir(root):
        return []
    entries = [entry for entry in filesystem.ls(root, detail=True) if entry["type"] != "file"]
    names = (os.path.basename(entry["name"].rstrip("/")) for entry in entries)
    versions = [Version(int(name), f"{push_dir.rstrip('/')}/{name}") for name in names if re.fullmatch("[0-9]+", name)]
    return sorted(versions, reverse=True)


def is_complete(version: Version) -> bool:
    """Whether everything was copied."""
    filesystem, path = fsspec.core.url_to_fs(version.path)
    return bool(filesystem.exists(f"{path}/{COMPLETE_MARK}"))


def complete_versions(push_dir: str) -> Iterator[Version]:
    """The complete versions, greatest first; lazily, as each costs a request on a remote store."""
    return (version for version in version_folders(push_dir) if is_complete(version))


def pinned_number(push_dir: str) -> int | None:
    """The version number in ``PUSH_DIR/pin``, None where there is no pin.

    Raises:
        NoPushedModelError: the pin is not one integer.
    """
    filesystem, root = fsspec.core.url_to_fs(push_dir)
    try:
        text = filesystem.cat_file(f"{root.rstrip('/')}/{PIN_FILE}").decode("ascii", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not re.fullmatch("[0-9]+", text):
        raise NoPushedModelError(
            f"{push_dir}/{PIN_FILE} should hold one version number, not {text[:40]!r}. Correct it or remove it."
        )
    return int(text)


def servable_versions(push_dir: str) -> Iterator[Version]:
    """The versions that may be served, best first: the pinned one, or all complete ones, greatest first.

    Raises:
        NoPushedModelError: the pin is not one integer, or names a version that is not there.
    """
    pin = pinned_number(push_dir)
    if pin is None:
        yield from complete_versions(push_dir)
        return
    pinned = [version for version in complete_versions(push_dir) if version.number == pin]
    if not pinned:
        raise NoPushedModelError(
            f"{push_dir}/{PIN_FILE} asks for version {pin}, which is not there. Correct the pin or remove it."
        )
    yield from pinned


def newest_version(push_dir: str) -> str:
    """Path of the version folder to serve: the pinned one, otherwise the greatest complete one.

    Args:
        push_dir: local, or any address fsspec opens (``gs://`` with gcsfs installed).

    Raises:
        NoPushedModelError: there is none; the message says what to do.
    """
    for version in servable_versions(push_dir):
        return version.path
    raise nothing_pushed(push_dir)


def nothing_pushed(push_dir: str) -> NoPushedModelError:
    """The error for a folder without versions, or for what is no folder."""
    filesystem, root = fsspec.core.url_to_fs(push_dir)
    if filesystem.isfile(root):
        return NoPushedModelError(f"{push_dir} is a file. Name the folder of pushed models with --push-dir.")
    return NoPushedModelError(
        f"No model has been pushed to {push_dir} yet. Push one (`make run`), or name another folder with --push-dir."
    )
