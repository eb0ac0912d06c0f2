"""Serves a pushed version while newer ones arrive: loading, canary digits, and hot swap."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from queue import Empty, SimpleQueue
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt

from models.export.layout import CARD_FILE, MODEL_FILE
from serving_bot.reading.answer import Reading
from serving_bot.reading.classifier import BrokenModelError, Classifier
from serving_bot.reading.reader import Reader
from serving_bot.versions.folder import COMPLETE_MARK, Version, choose, pushed_at
from workers import Worker, WorkerEndedError, WorkerTimeoutError

log = logging.getLogger(__name__)

CANARY_DIGITS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
"""The digits in ``canary.png``: one MNIST test digit of each class, black on white, in reading order."""

CANARIES_NEEDED = 4
"""Right answers out of ten that a version needs to serve. A model that guesses passes once in 80 times, one that always
gives the same answer never; one trained on 700 images for two epochs (46 % on the test split) read five. The Evaluator
judges the model's quality."""

CHECK_TIMEOUT_S = 60.0
PAUSE_S, REMOTE_PAUSE_S = 1.0, 15.0  # between two looks at a local folder, and at an address
RETRY_FAILED_S = 600.0
"""Seconds until a failed version is tried again, silently: a remote store may have been unreachable."""


@dataclass(frozen=True)
class ServedModel:
    """A loaded version, with one reader per thread: a LiteRT interpreter handles one call at a time."""

    version: Version
    pushed_at: datetime
    card: dict[str, Any]
    _readers: SimpleQueue[tuple[Classifier, Reader]] = field(repr=False)

    @classmethod
    def load(cls, version: Version, readers: int) -> ServedModel:
        """Loads a version and reads the canary digits with it.

        Raises:
            BrokenModelError: it cannot be loaded, or gives wrong answers.
        """
        readers_made: SimpleQueue[tuple[Classifier, Reader]] = SimpleQueue()
        for _ in range(readers):
            classifier = Classifier.load(version.path)
            try:
                readers_made.put((classifier, Reader(classifier)))
            except (TypeError, ValueError) as error:
                raise BrokenModelError(f"{version.path}: its card is unusable: {error}") from error
        model = cls(version, pushed_at(version, classifier.card), classifier.card, readers_made)
        model._answer_canaries()
        return model

    def read(self, data: bytes) -> Reading:
        """Reads one encoded picture; raises the same errors as ``Reader.read``. Thread-safe."""
        with self._borrowed() as (_, reader):
            return reader.read(data)

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities float32 [N, 10] of uint8 [N, 28, 28], white ink on black. Thread-safe."""
        with self._borrowed() as (classifier, _):
            return classifier.predict(images)

    def predict_at_once(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32] | None:
        """As `predict`, but None if every reader is in use."""
        try:
            with self._borrowed(wait=False) as (classifier, _):
                return classifier.predict(images)
        except Empty:
            return None

    @contextmanager
    def _borrowed(self, *, wait: bool = True) -> Iterator[tuple[Classifier, Reader]]:
        pair = self._readers.get(block=wait)
        try:
            yield pair
        finally:
            self._readers.put(pair)

    def _answer_canaries(self) -> None:
        picture = resources.files("serving_bot.versions").joinpath("canary.png").read_bytes()
        try:
            answers = [digit.digit for digit in self.read(picture).digits]
        except Exception as error:  # whatever a broken model raises, the old model must keep serving
            raise BrokenModelError(f"{self.version.path}: reading the canary digits failed: {error}") from error
        right = sum(answer == digit for answer, digit in zip(answers, CANARY_DIGITS, strict=False))
        if right < CANARIES_NEEDED:
            raise BrokenModelError(
                f"{self.version.path}: read {right} of {len(CANARY_DIGITS)} canary digits, but needs {CANARIES_NEEDED}"
            )


def check_version(version: Version, started: Callable[[Worker], None] = lambda worker: None) -> None:
    """Loads a version and reads the canary digits in a worker.

    A damaged flatbuffer that passes LiteRT's verifier can still abort the process that runs it (measured: one in 360
    with up to 500 random bytes changed), which must not be the serving process.

    Args:
        started: receives the worker; stopping the worker ends the check.

    Raises:
        BrokenModelError: it cannot be loaded, gives wrong answers, crashes, or takes longer than a minute.
    """
    with Worker("serving_bot.versions.check:load_versions") as worker:
        started(worker)
        try:
            worker.send(([version], False))
            problem = worker.receive(CHECK_TIMEOUT_S)
        except (WorkerEndedError, WorkerTimeoutError) as error:
            raise BrokenModelError(f"{version.path}: loading it failed: {error}") from error
    if problem is not None:
        raise BrokenModelError(f"{version.path}: {problem}")


@dataclass(frozen=True)
class FailedVersion:
    """A version that could not be served, and why."""

    version: Version
    reason: str


class ModelServer:
    """Serves the folder's version, and swaps it without interruption.

    ``refresh`` checks the folder once. A failed version is remembered until its files change, and the current model
    stays in service. Callers that hold the old ``current`` finish with it.

    Args:
        push_dir: local, or any address that fsspec can open.
        threads: number of pictures read at a time.

    Attributes:
        current: the model in service.
        complaint: the folder's problem; None if there is none.
    """

    def __init__(self, push_dir: str, threads: int = 2) -> None:
        self.push_dir = push_dir
        self.current: ServedModel | None = None
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="reader")
        self._failed: dict[Version, tuple[str, float]] = {}  # the state of its files, and when it was tried
        self._checking: Worker | None = None
        self._closed = threading.Event()
        self._stamp = ""  # of the version in service
        self.complaint: str | None = None

    def refresh(self) -> list[FailedVersion]:
        """Loads the best version that works. Blocking: call it outside the event loop, one call at a time.

        Returns:
            The versions that failed now but not before.
        """
        failures: list[FailedVersion] = []
        try:
            choice = choose(self.push_dir)
            problem, found = choice.problem, False
            for version in choice.versions:
                found = True
                if self._closed.is_set():
                    break
                stamp = _stamp(version)
                serves_it = self.current is not None and self.current.version == version
                if serves_it and stamp == self._stamp:
                    break
                failed_stamp, failed_at = self._failed.get(version, ("", 0.0))
                if stamp == failed_stamp and time.monotonic() - failed_at < RETRY_FAILED_S:
                    continue
                try:
                    check_version(version, self._note_check)
                    self.current = ServedModel.load(version, self._threads)
                    self._stamp = stamp
                except BrokenModelError as error:
                    if self._closed.is_set():
                        break  # the check was stopped, so it says nothing about the version
                    self._failed[version] = (stamp, time.monotonic())
                    if stamp != failed_stamp:
                        log.warning("a pushed version is broken", extra={"reason": str(error)})
                        failures.append(FailedVersion(version, str(error)))
                    continue
                if serves_it:
                    log.warning(
                        "the version in service was overwritten; serving its new files",
                        extra={"version": version.number},
                    )
                else:
                    log.info("serving a new version", extra={"version": version.number})
                break
            if self.current is not None and not found:
                gone = f"{self.push_dir} is gone or has no complete version"
                problem = f"{gone}: version {self.current.version.number} stays in service from memory."
            self._complain(problem)
        except Exception as error:  # store clients raise various errors; the current model stays in service
            self._complain(str(error) or repr(error))
        return failures

    async def watch(self, on_refresh: Callable[[list[FailedVersion]], Any]) -> None:
        """Refreshes again and again until cancelled; ``on_refresh`` gets the new failures."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(REMOTE_PAUSE_S if "://" in self.push_dir else PAUSE_S)
            on_refresh(await loop.run_in_executor(None, self.refresh))

    async def read(self, model: ServedModel, data: bytes) -> Reading:
        """Reads a picture with ``model`` in the reader threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, model.read, data)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Runs other work on pictures in the reader threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def close(self) -> None:
        """Ends a running check of a version, waits for readings in progress, and ends the reader threads."""
        self._closed.set()
        if self._checking:
            self._checking.stop(patience=0)
        self._pool.shutdown()

    def _note_check(self, worker: Worker) -> None:
        self._checking = worker

    def _complain(self, complaint: str | None) -> None:
        """Logs the folder's problem when it changes, not at every check."""
        if complaint is not None and complaint != self.complaint:
            log.warning("cannot look for new versions", extra={"reason": complaint})
        if complaint is None and self.complaint is not None:
            log.info("the push folder is in order again")
        self.complaint = complaint


def _stamp(version: Version) -> str:
    """The state of a version's files, which differs after a repair."""
    filesystem, root = fsspec.core.url_to_fs(version.path)
    looks = []
    for name in (COMPLETE_MARK, MODEL_FILE, CARD_FILE):
        try:
            info = filesystem.info(f"{root}/{name}")
        except FileNotFoundError:
            info = {}
        looks.append(str([info.get(key) for key in ("size", "mtime", "updated", "etag")]))
    return " ".join(looks)
