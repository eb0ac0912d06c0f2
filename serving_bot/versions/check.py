"""Whether versions can be served, found out in a worker: a damaged flatbuffer can end the process that loads it."""

from __future__ import annotations

from multiprocessing.connection import Connection

from serving_bot.reading.classifier import BrokenModelError, Classifier
from serving_bot.versions.hot_swap import ServedModel


def load_versions(connection: Connection) -> None:
    """The worker: receives versions, and whether each may be live; sends for each what is wrong with it, or None.

    Those that may be live also answer the canary digits, until one does.
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
