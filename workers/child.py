"""The worker's side: `python -m workers.child DESCRIPTOR MODULE:FUNCTION SCRATCH`, which Worker starts."""

from __future__ import annotations

import os
import select
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any


def end_with_parent(descriptor: int, scratch: str) -> None:
    """Ends this process as soon as the parent is gone."""
    poll = select.poll()
    poll.register(descriptor, 0)  # poll always reports a hang-up
    poll.poll()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)  # skips all cleanup, as a kill would


def main() -> None:
    """Calls the function with the connection to the parent."""
    descriptor, target, scratch = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    tempfile.tempdir = scratch
    os.set_inheritable(descriptor, False)  # the worker's children do not inherit it
    connection = Connection(descriptor)
    # (a duplicate: the connection may be closed before the thread polls, which would look like a hang-up)
    threading.Thread(target=end_with_parent, args=(os.dup(descriptor), scratch), daemon=True).start()
    _find(target)(connection)


def answer(connection: Connection) -> None:
    """The worker of `workers.ask`: calls a function; sends its result, or the error to pass on."""
    target, arguments, passed_on = connection.recv()
    try:
        connection.send(_find(target)(*arguments))
    except passed_on as error:
        connection.send(error)


def _find(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


if __name__ == "__main__":
    main()
