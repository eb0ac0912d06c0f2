"""Chooses the live version manually: promote, roll back, unpin.

These write ``PUSH_DIR/pin``, which the bot follows within a second; they never delete versions.
``PUSH_DIR/history.jsonl`` records each change. One process at a time changes a local folder.
"""

from __future__ import annotations

import fsspec

from serving_bot.storage import write_whole
from serving_bot.versions.folder import PIN_FILE, PushFolderError, explained, locked
from serving_bot.versions.history import Action, note_change
from serving_bot.versions.registry import PushedVersion, Registry, find_problem, read_registry


def promote(push_dir: str, number: int) -> PushedVersion:
    """Pins a version: it is served whatever is pushed later.

    Raises:
        NoPushedModelError: the folder has no version.
        PushFolderError: the version is missing, incomplete or damaged, or the folder cannot be written.
    """
    with explained(push_dir, "changed"), locked(push_dir):
        registry = read_registry(push_dir)
        chosen = registry[number]
        problem = find_problem(chosen)
        if problem is not None:
            raise PushFolderError(f"Version {number} cannot be served: {problem}. Nothing was changed.")
        _change(registry, "promote", number)
        return chosen


def rollback(push_dir: str) -> PushedVersion:
    """Pins the latest working version that is older than the live one.

    Raises:
        NoPushedModelError: the folder has no version.
        PushFolderError: nothing is live, no older version works, or the folder cannot be written.
    """
    with explained(push_dir, "changed"), locked(push_dir):
        registry = read_registry(push_dir)
        live = registry.live
        if live is None:
            raise PushFolderError(
                f"No version in {push_dir} is live, so there is nothing to roll back. `digits models list` lists the "
                "versions; `digits models promote VERSION` pins one."
            )
        for version in registry.versions:
            if version.number < live.number and find_problem(version) is None:
                _change(registry, "rollback", version.number)
                return version
        raise PushFolderError(
            f"Version {live.number} is live, but {push_dir} has no older working version to roll back to."
        )


def unpin(push_dir: str) -> bool:
    """Removes the pin, so the newest version is served; returns whether there was a pin.

    Raises:
        NoPushedModelError: the folder has no version.
        PushFolderError: the folder cannot be written.
    """
    with explained(push_dir, "changed"), locked(push_dir):
        registry = read_registry(push_dir)
        if registry.pin is None and registry.problem is None:
            return False
        _change(registry, "unpin", None)
        return True


def _change(registry: Registry, action: Action, number: int | None) -> None:
    """Writes or removes the pin, then records the change; the folder must be locked."""
    filesystem, root = fsspec.core.url_to_fs(registry.push_dir)
    pin = f"{root.rstrip('/')}/{PIN_FILE}"
    if number is None:
        filesystem.rm_file(pin)
    else:
        write_whole(filesystem, pin, f"{number}\n".encode())
    with explained(registry.push_dir, "noted in history.jsonl, though the pin was changed"):
        note_change(registry, action, number)
