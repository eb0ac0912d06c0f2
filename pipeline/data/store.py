"""A data folder at an address such as gs://bucket/data: prepared on this machine, then uploaded with fsspec."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import fsspec
from rich.console import Console

from pipeline.data import mnist
from pipeline.data.files import MNIST, DataError, Mirrors
from pipeline.data.mnist import SOURCE_FILE, SourceName


def fetch(dest: str, source: SourceName, console: Console, mirrors: Mirrors = MNIST) -> None:
    """Like pipeline.data.mnist.fetch, for a local folder or an address.

    Raises:
        DataError: see pipeline.data.mnist.fetch; or the store cannot be reached.
    """
    if "://" not in dest:
        mnist.fetch(Path(dest), source, console, mirrors)
        return
    with _opened(dest, "used") as (filesystem, folder), tempfile.TemporaryDirectory() as temporary:
        local = Path(temporary)
        try:
            before = _download(filesystem, folder, local, mirrors)
            made = mnist.fetch(local, source, Console(quiet=True), mirrors)
            # The note comes first, as in a local folder: an interruption leaves checksums that differ from it.
            changed = [name for name, checksum in made.sha256.items() if before.get(name) != checksum]
            if changed:
                filesystem.pipe_file(f"{folder}/{SOURCE_FILE}", (json.dumps(asdict(made), indent=2) + "\n").encode())
            for name in changed:
                filesystem.put_file(str(local / name), f"{folder}/{name}")
        except DataError as error:
            raise DataError(str(error).replace(temporary, dest)) from error
    what = "uploaded" if changed else "complete and verified"
    console.out(f"{dest}: {what}, {mnist.describe(made)}.", highlight=False)


def fetch_if_absent(dest: str, console: Console, mirrors: Mirrors = MNIST) -> None:
    """Like pipeline.data.mnist.fetch_if_absent, for a local folder or an address.

    If an address has files of all four names, nothing is read: MnistExampleGen checks what it reads.
    """
    if "://" not in dest:
        mnist.fetch_if_absent(Path(dest), console, mirrors)
        return
    with _opened(dest, "read") as (filesystem, folder):
        missing = [
            name
            for name in mirrors.files
            if not any(filesystem.exists(f"{folder}/{form}") for form in mnist.forms(name))
        ]
    if missing:
        fetch(dest, "auto", console, mirrors)


@contextmanager
def local_copy(dest: str) -> Iterator[Path]:
    """The folder itself if it is local, else a temporary copy of the address.

    Raises:
        DataError: the store cannot be reached.
    """
    if "://" not in dest:
        yield Path(dest)
        return
    with tempfile.TemporaryDirectory() as temporary:
        with _opened(dest, "read") as (filesystem, folder):
            _download(filesystem, folder, Path(temporary), MNIST)
        yield Path(temporary)


@contextmanager
def _opened(address: str, done: str) -> Iterator[tuple[fsspec.AbstractFileSystem, str]]:
    """The file system and folder of an address; its errors become a sentence, "... cannot be" and ``done``."""
    try:
        filesystem, folder = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise DataError(f"{address} cannot be opened: {error}") from error
    filesystem.invalidate_cache()  # remote file systems cache their listings
    try:
        yield filesystem, folder.rstrip("/")
    except OSError as error:
        raise DataError(f"{address} cannot be {done} ({error}). Put that right, or choose another address.") from error


def _download(filesystem: fsspec.AbstractFileSystem, folder: str, local: Path, mirrors: Mirrors) -> dict[str, str]:
    """Copies the address into `local`; returns the SHA-256 that its note gives for each of the files, by name."""
    names = [SOURCE_FILE, *(form for name in mirrors.files for form in mnist.forms(name))]
    present = [name for name in names if filesystem.exists(f"{folder}/{name}")]
    for name in present:
        filesystem.get_file(f"{folder}/{name}", str(local / name))
    noted = mnist.read_source(local)
    if noted is None:
        return {}
    return {name: mnist.file_sha256(local / name) for name in noted.sha256 if name in present}
