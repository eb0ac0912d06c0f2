"""A local folder with the complete, verified MNIST files and a note of their source.

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

_STAGING = ".fetching"  # folder for files that are not yet verified; verified files survive an interruption


@dataclass(frozen=True)
class Source:
    """The source of a data folder's four files, from its source.json."""

    source: str  # "mirror" (60,000 training images) or "bundled" (55,000)
    counts: dict[str, int]  # number of examples, {"train": n, "test": n}
    sha256: dict[str, str]  # hexadecimal SHA-256 of each of the four files


def forms(name: str) -> tuple[str, str]:
    """The two names that a file may have: with and without .gz."""
    return name, name.removesuffix(".gz")


def missing_files(dest: Path) -> list[str]:
    """Names of the four files that are missing in `dest`, both with and without .gz."""
    return [name for name in MNIST.files if not any((dest / form).exists() for form in forms(name))]


def read_source(dest: Path) -> Source | None:
    """What `fetch` noted in `dest`; None if it did not fill that folder."""
    try:
        noted = Source(**json.loads((dest / SOURCE_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # if it cannot be read at all, `fetch` reports it
        return None
    return noted if isinstance(noted.counts, dict) and isinstance(noted.sha256, dict) else None


def fetch(dest: Path, source: SourceName, console: Console, mirrors: Mirrors = MNIST) -> Source:
    """Fetches the four IDX files into `dest`, verifies them, and reports on `console`.

    Does nothing if they are already there. A file gets its final name only after its checksum is verified; after an
    interruption the next call keeps the files that had arrived. A lock lets one command at a time fetch into a folder.

    Args:
        dest: a local folder; created if missing.
        source: "auto" takes a mirror if one answers soon, else the bundled images; it accepts a folder filled from
            either.
        console: shows a progress bar on a terminal, else plain lines.
        mirrors: tried in parallel; the first to answer is used, the others are its fallback.

    Raises:
        DataError: no source has the files, `dest` cannot be written, or it holds other files under these names.
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
            f"The data folder {dest} cannot be used ({error.strerror or error}). Fix that, or choose "
            f"another folder with --dest (`digits data`) or --data (`digits run`, `digits compare`)."
        ) from error


def fetch_if_absent(dest: Path, console: Console, mirrors: Mirrors = MNIST) -> None:
    """Like `fetch` from "auto", but leaves a folder alone that holds a user's own four IDX files.

    Raises:
        DataError: see `fetch`.
    """
    if read_source(dest) is not None or missing_files(dest):
        fetch(dest, "auto", console, mirrors)


def describe(source: Source) -> str:
    """Describes a folder's examples and source for people."""
    return f"{source.counts['train']:,} training and {source.counts['test']:,} test images ({source.source})"


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
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
            shutil.rmtree(dest / _STAGING, ignore_errors=True)  # left by a command that was killed near its end
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
                    f"{error} Run the same command again (it keeps the files that have arrived), or use the bundled "
                    "images with --source bundled."
                ) from error
            console.out(
                f"{error} Using the bundled images: 55,000 of the 60,000 training images and the whole "
                f"test set. `digits data --source mirror` fetches the rest when a mirror can be reached.",
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
    strange += [plain for _, plain in map(forms, files) if (dest / plain).exists()]
    if strange:
        raise DataError(
            f"{dest / strange[0]} was not made by `digits data` and is not MNIST's published file of that "
            f"name. It was left unchanged: move it away, or choose another folder with --dest."
        )


def _commit(dest: Path, source: str, names: Iterable[str], staged: Mapping[str, Path]) -> Source:
    """Writes the note, then renames the files: an interruption leaves checksums that differ from the note."""
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
