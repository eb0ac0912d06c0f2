"""Checks versions in a worker, because a damaged flatbuffer can crash the process that loads it."""

from __future__ import annotations

from multiprocessing.connection import Connection

from serving_bot.reading.classifier import BrokenModelError, Classifier
from serving_bot.versions.hot_swap import ServedModel


def load_versions(connection: Connection) -> None:
    """The worker: receives versions, and whether each may be live; sends each version's problem, or None.

    Versions that may be live also read the canary digits, until one passes.
    """
    live_is_known = False
    for version, candidate in connection.recv():
        problem = None
        try:
            if candidate and not live_is_known:
                ServedModel.load(version, readers=1)
                live_is_known = True
            else:
                Classifier.load(version.path)
        except BrokenModelError as error:
            problem = str(error).removeprefix(f"{version.path}: ")
        connection.send(problem)
