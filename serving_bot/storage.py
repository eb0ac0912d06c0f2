"""Files and databases that a kill leaves whole, and what file systems say, in sentences."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from workers import UserError


def write_whole(filesystem: AbstractFileSystem, path: str, data: bytes, mode: int = 0o666) -> None:
    """Writes or replaces a file that others see complete or not at all; one process at a time writes to a path.

    `mode` holds the permissions of a local file, which the umask restricts.
    """
    if not isinstance(filesystem, LocalFileSystem):
        filesystem.pipe_file(path, data)  # object stores show only complete files
        return
    aside = f"{path}.new"
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


@contextmanager
def explained(folder: str, done: str, kind: type[UserError]) -> Iterator[None]:
    """Turns a file system's error into a UserError of a kind; ``done`` completes the sentence "... could not be"."""
    try:
        yield
    except OSError as error:
        raise kind(f"{folder} could not be {done}: {error.strerror or error}.") from error
    except (ImportError, ValueError) as error:  # a protocol that is unknown to fsspec, or whose package is missing
        raise kind(f"{folder} cannot be opened: {error}") from error


def open_database(path: Path | None, *, check_same_thread: bool = True) -> sqlite3.Connection:
    """Opens an SQLite file whose transactions are on disk when they end.

    Args:
        path: the file, made in a folder for its owner only; None for memory.
        check_same_thread: False where the caller serialises several threads.

    Raises:
        OSError, sqlite3.Error: the file cannot be opened or written.
    """
    if path is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=check_same_thread)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database
