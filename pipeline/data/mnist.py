"""A local folder with the MNIST files, complete and verified, and where they came from.

MNIST is by Yann LeCun and Corinna Cortes, CC BY-SA 3.0.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from rich.console import Console

from pipeline.data.bundled import unpack
from pipeline.data.files import MNIST, TEST_LABELS, TRAIN_LABELS, DataError, Mirrors, RemoteFile
from pipeline.data.mirrors import download

SourceName = Literal["auto", "mirror", "bundled"]

SOURCE_FILE = "source.json"

_STAGING = ".fetching"  # folder for what is not yet known to be right; files that are survive an interruption


@dataclass(frozen=True)
class Source:
    """Where a data folder's four files came from, as its source.json says."""

    source: str  # "mirror" (60,000 training images) or "bundled" (55,000)
    counts: dict[str, int]  # number of examples, {"train": n, "test": n}
    sha256: dict[str, str]  # hexadecimal SHA-256 of each of the four files


def missing_files(dest: Path) -> list[str]:
    """Names of the four files that `dest` holds neither with nor without .gz."""
    return [name for name in MNIST.files if not any((dest / form).exists() for form in _forms(name))]


def read_source(dest: Path) -> Source | None:
    """What `fetch` noted in `dest`, or None where it did not fill that folder."""
    try:
        noted = Source(**json.loads((dest / SOURCE_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # where it can not be read at all, `fetch` says so
        return None
    return noted if isinstance(noted.counts, dict) and isinstance(noted.sha256, dict) else None


def fetch(dest: Path, source: SourceName, console: Console, mirrors: Mirrors = MNIST) -> Source:
    """Makes `dest` hold the four IDX files, complete and verified, and says on `console` what it does.

    Does nothing where they are there already. Nothing appears under a final name before its checksum is right; the next
    call after an interruption keeps the files that had arrived. One command at a time fetches into a folder.

    Args:
        dest: a local folder; made if it does not exist.
        source: "auto" takes a mirror if one answers soon and else the bundled images; a folder filled from
            either satisfies it.
        console: gets a progress bar if it is a terminal, else plain lines.
        mirrors: tried at once; the first to answer is used and the others are its fallback.

    Raises:
        DataError: no source has the files, `dest` cannot be written, or it has files of these names that are
            not MNIST's.
    """
    try:
        dest.mkdir(parents=True, exist_ok=True)
        found = _checksums(dest, mirrors)
        noted = read_source(dest)
        if noted and source in {"auto", noted.source} and found == noted.sha256 and not (dest / _STAGING).exists():
            console.out(f"{dest}: complete and verified, {describe(noted)}.", highlight=False)
            return noted
        lock = FileLock(dest / ".lock")
        try:
            with lock.acquire(timeout=0):
                return _fetch(dest, source, console, mirrors)
        except Timeout:
            console.out(f"Another command is fetching MNIST into {dest}: waiting for it ...", highlight=False)
        with lock:
            return _fetch(dest, source, console, mirrors)
    except OSError as error:
        raise DataError(
            f"The data folder {dest} cannot be used ({error.strerror or error}). Put that right, or "
            f"choose another one with --dest (`digits data`) or --data (`digits run`, `digits compare`)."
        ) from error


def fetch_if_absent(dest: Path, console: Console, mirrors: Mirrors = MNIST) -> None:
    """As `fetch` from "auto", but leaves a folder alone in which somebody put four IDX files of their own.

    Raises:
        DataError: see `fetch`.
    """
    if read_source(dest) is not None or missing_files(dest):
        fetch(dest, "auto", console, mirrors)


def describe(source: Source) -> str:
    """A folder's examples and source, for people."""
    return f"{source.counts['train']:,} training and {source.counts['test']:,} test images ({source.source})"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _checksums(dest: Path, mirrors: Mirrors) -> dict[str, str]:
    return {name: file_sha256(dest / name) for name in mirrors.files if (dest / name).exists()}


def _fetch(dest: Path, source: SourceName, console: Console, mirrors: Mirrors) -> Source:
    found = _checksums(dest, mirrors)
    noted = read_source(dest)
    if noted is None:
        _refuse_strange(dest, found, mirrors.files)
        if len(found) == len(mirrors.files):  # a copy of the published files
            noted = _commit(dest, "mirror", mirrors.files, staged={})
    if noted is not None and source in {"auto", noted.source}:
        if found == noted.sha256:
            console.out(f"{dest}: complete and verified, {describe(noted)}.", highlight=False)
            shutil.rmtree(dest / _STAGING, ignore_errors=True)  # left by a command that was killed at its end
            return noted
        for name, checksum in found.items():
            if checksum != noted.sha256.get(name):
                console.out(f"{dest / name} is damaged (wrong checksum): making it again.", highlight=False)
    staging = dest / _STAGING
    staging.mkdir(exist_ok=True)
    taken, wanted = source, {name for name, file in mirrors.files.items() if found.get(name) != file.sha256}
    if source != "bundled":
        try:
            staged, taken = download(staging, wanted, mirrors, console, hurried=source == "auto"), "mirror"
        except DataError as error:
            if source == "mirror":
                raise DataError(
                    f"{error} Run the same command again (the files that have arrived are kept), or take the bundled "
                    "images with --source bundled."
                ) from error
            console.out(
                f"{error} Taking the bundled images: 55,000 of the 60,000 training images and the whole "
                f"test set. `digits data --source mirror` gets the rest where a mirror can be reached.",
                highlight=False,
            )
            taken = "bundled"
    if taken == "bundled":
        staged = unpack(staging)
    noted = _commit(dest, taken, mirrors.files, staged)
    shutil.rmtree(staging, ignore_errors=True)
    console.out(f"{dest}: {describe(noted)}.", highlight=False)
    return noted


def _refuse_strange(dest: Path, found: Mapping[str, str], files: Mapping[str, RemoteFile]) -> None:
    strange = [name for name, checksum in found.items() if checksum != files[name].sha256]
    strange += [plain for _, plain in map(_forms, files) if (dest / plain).exists()]
    if strange:
        raise DataError(
            f"{dest / strange[0]} was not made by `digits data` and is not MNIST's published file of that "
            f"name. It is left alone: move it away, or choose another folder with --dest."
        )


def _forms(name: str) -> tuple[str, str]:
    return name, name.removesuffix(".gz")


def _commit(dest: Path, source: str, names: Iterable[str], staged: Mapping[str, Path]) -> Source:
    """Notes what the folder is going to hold, then renames: cut short, it leaves checksums that differ."""
    paths = {name: staged.get(name, dest / name) for name in names}
    noted = Source(
        source=source,
        counts={"train": _idx_count(paths[TRAIN_LABELS]), "test": _idx_count(paths[TEST_LABELS])},
        sha256={name: file_sha256(path) for name, path in paths.items()},
    )
    note = dest / (SOURCE_FILE + ".part")
    note.write_text(json.dumps(asdict(noted), indent=2) + "\n", encoding="utf-8")
    note.replace(dest / SOURCE_FILE)
    for name, path in staged.items():
        path.replace(dest / name)
    return noted


def _idx_count(path: Path) -> int:
    with gzip.open(path) as file:
        return int.from_bytes(file.read(8)[4:], "big")
