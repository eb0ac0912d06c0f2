"""`digits serve`, or another command that serves a page, in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextmanager
def running_server(push_dir: Path, *options: str, command: Sequence[str] = ("serve",)) -> Iterator[str]:
    """The address of a server on a free port; at the end it must stop with exit code 0."""
    arguments = [
        sys.executable,
        "-u",
        "-m",
        "pipeline.cli",
        *command,
        "--push-dir",
        str(push_dir),
        "--port",
        "0",
        *options,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=push_dir.parent,
    )
    said = []
    try:
        for line in process.stdout:  # type: ignore[union-attr]
            said.append(line)
            if line.startswith("http://"):
                break
        else:
            raise AssertionError(f"the server did not start: {said}")
        yield line.split()[0]
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0, rest
    assert "Traceback" not in rest, rest
