"""The MNIST files from public mirrors, fetched and verified by pooch."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.data.files import DataError, Mirrors

_HEADERS = {"Accept-Encoding": "identity"}  # leave the .gz compressed

_HURRIED_S, _PATIENT_S = 4.0, 30.0
"""Seconds to wait for a mirror: if the bundled images are a fallback, and if they are not."""

_RETRIES = 2


def download(
    staging: Path, wanted: Collection[str], mirrors: Mirrors, console: Console, *, hurried: bool
) -> dict[str, Path]:
    """Fetches files into a folder; returns {name: path of the verified file}. Keeps files that are already correct.

    Raises:
        DataError: no mirror delivered all files.
    """
    logging.getLogger("pooch").setLevel(logging.CRITICAL)  # it repeats what the console says
    patience = mirrors.patience or (_HURRIED_S if hurried else _PATIENT_S)
    problem = DataError("No mirror of MNIST answered.")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        sizes = {name: file.size for name, file in mirrors.files.items() if name in wanted}
        tasks = {name: progress.add_task(name, total=size) for name, size in sizes.items()}
        for mirror in _answering(mirrors, patience):
            registry = {name: f"sha256:{mirrors.files[name].sha256}" for name in tasks}
            fetcher = pooch.create(staging, mirror, registry=registry, retry_if_failed=_RETRIES)
            staged: dict[str, Path] = {}
            try:
                for name, task in tasks.items():
                    staged[name] = _fetch(fetcher, name, _Bar(progress, task, sizes[name]), patience)
                    if not console.is_terminal:
                        console.out(f"{name}: {sizes[name]:,} bytes, checksum right.", highlight=False)
            except DataError as error:
                problem = error
            else:
                return staged
    raise problem


def _fetch(fetcher: pooch.Pooch, name: str, bar: _Bar, patience: float) -> Path:
    title = f"{urlsplit(fetcher.base_url).hostname} did not deliver {name}"
    downloader = pooch.HTTPDownloader(progressbar=bar, headers=_HEADERS, timeout=patience)
    try:
        return Path(fetcher.fetch(name, downloader=downloader))
    except requests.HTTPError as error:
        raise DataError(f"{title}: HTTP status {error.response.status_code}.") from error
    except requests.RequestException as error:
        raise DataError(f"{title}: {error}.") from error
    except ValueError as error:  # pooch's error for a wrong checksum
        what = "perhaps this network's login page, or a damaged copy"
        raise DataError(f"{title}: what it sent is not MNIST's file (wrong checksum; {what}).") from error


class _Bar:
    """Adapts a task of rich's progress to pooch's progress bar; stops a download that exceeds its size."""

    def __init__(self, progress: Progress, task: TaskID, size: int):
        self._progress, self._task, self._size, self._done = progress, task, size, 0

    @property
    def total(self) -> int:
        """The file's size."""
        return self._size

    @total.setter
    def total(self, announced: int) -> None:
        self.reset()  # (pooch sets it at the start of each attempt)

    def update(self, count: int) -> None:
        """Counts bytes, in whole blocks.

        Raises:
            ValueError: there are more bytes than the file has.
        """
        self._done += count
        if self._done > self._size + pooch.HTTPDownloader().chunk_size:
            raise ValueError(f"more than {self._size} bytes")
        self._progress.update(self._task, completed=min(self._done, self._size))

    def reset(self) -> None:
        """Starts again at zero."""
        self._done = 0

    def close(self) -> None:
        """Ends the task: the download is complete."""


def _answering(mirrors: Mirrors, patience: float) -> Iterator[str]:
    """Yields mirrors as they deliver the smallest file intact, until `patience` seconds are over.

    The threads are daemons because name resolution has no timeout: no thread can block the program's exit.
    """
    name = min(mirrors.files, key=lambda name: mirrors.files[name].size)
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def probe(address: str) -> None:
        try:
            answer = requests.get(address + name, headers=_HEADERS, timeout=patience)
            intact = hashlib.sha256(answer.content).hexdigest() == mirrors.files[name].sha256
        except requests.RequestException:
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
