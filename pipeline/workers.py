"""Asks a program of this package that loads TensorFlow: in a process of its own, so that its noise stays there."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from pipeline.config import child_environment


def ask(module: str, *arguments: str, request: Any = None, error: type[Exception], failure: str) -> dict[str, Any]:
    """Runs `python -m module arguments` and returns what its last line says: a JSON object.

    Args:
        module: the program; an object with the key `error` is its sentence for the user.
        arguments: its command line.
        request: what it gets on standard input, as JSON; None for nothing.
        error: what to raise.
        failure: what to say where the program ended without an answer, without the full stop.

    Raises:
        error: the program said so, or it failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        input=None if request is None else json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(),
    )
    if done.returncode:
        noise = done.stderr.strip().splitlines() or ["it said nothing"]
        raise error(f"{failure} (exit status {done.returncode}): {noise[-1]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise error(answer["error"])
    return answer
