"""Checks versions in a worker, because a damaged flatbuffer can crash the process that loads it."""

from __future__ import annotations

from multiprocessing.connection import Connection

from serving_bot.reading.classifier import BrokenModelError, Classifier
from serving_bot.versions.hot_swap import ServedModel


def load_versions(connection: Connection) -> None:
    """The worker: receives versions, and whether a better one passed; sends each version's problem, or None.

    Versions read the canary digits until one passes; the others are only loaded.
    """
    versions, live_is_known = connection.recv()
    for version in versions:
        problem = None
        try:
            if live_is_known:
                Classifier.load(version.path)
            else:
                ServedModel.load(version, readers=1)
                live_is_known = True
        except BrokenModelError as error:
            problem = str(error).removeprefix(f"{version.path}: ")
        connection.send(problem)
