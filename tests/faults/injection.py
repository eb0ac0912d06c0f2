"""Errors and kills at every write of an operation, injected by strace into a forked child.

First an operation is traced: which system calls change files below a folder, and their numbers among calls of the same
kind. Then it runs once for each of them, with that call failing (ENOSPC, EIO) or the process killed in it. Writes of
C++ code (TensorFlow's file access, HDF5, SQLite) are included. Only the thread that runs the operation is traced.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,link,linkat,"
    "ftruncate,fallocate,openat,sendfile,copy_file_range"
)
OPENS_TO_WRITE = re.compile(r"O_(WRONLY|RDWR|CREAT)")
SENTENCE, SUCCESS, CRASHED = 3, 0, 4
"""Exit statuses of an operation's child."""


@dataclass(frozen=True)
class Point:
    """A system call: its name, its number among calls of that name, and the file it changes."""

    call: str
    ordinal: int
    path: str

    def __str__(self) -> str:
        return f"{self.call}#{self.ordinal} {self.path}"


@dataclass(frozen=True)
class Ended:
    """A child's end: its exit status, or minus the signal, and its output."""

    status: int
    said: str


def trace(operation: Callable[[], None], below: Path, expected: type[Exception]) -> list[Point]:
    """The calls of an operation that change files below a folder, in order; the operation must succeed."""
    log = below.parent / "trace.log"
    ended = _run(operation, expected, ["-y", "-e", f"trace={CALLS}", "-o", str(log)])
    assert ended.status == SUCCESS, ended.said
    seen: Counter[str] = Counter()
    points = []
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(\w+)\((.*)", line)
        if match is None:
            continue
        call, arguments = match.groups()
        seen[call] += 1
        if str(below) not in arguments or (call == "openat" and not OPENS_TO_WRITE.search(arguments)):
            continue
        paths = re.findall(re.escape(str(below)) + r'[^">]*', arguments)
        points.append(Point(call, seen[call], paths[-1].removeprefix(str(below))))
    assert points, "the operation wrote nothing"
    return points


def inject(operation: Callable[[], None], point: Point, fault: str, log: Path, expected: type[Exception]) -> Ended:
    """Runs the operation with a fault at a point: "ENOSPC", "EIO" or "KILL"."""
    what = "signal=KILL" if fault == "KILL" else f"error={fault}"
    options = ["-e", f"trace={point.call}", "-e", f"inject={point.call}:{what}:when={point.ordinal}", "-o", str(log)]
    return _run(operation, expected, options)


def _run(operation: Callable[[], None], expected: type[Exception], options: list[str]) -> Ended:
    """Runs an operation in a forked child under strace.

    It exits with SENTENCE if it raises the expected error, and with CRASHED for any other.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = CRASHED
        try:
            os.kill(os.getpid(), signal.SIGSTOP)  # until strace is attached
            operation()
            status = SUCCESS
        except expected as error:
            os.write(writing, str(error).encode())
            status = SENTENCE
        except BaseException:  # for the test's message
            os.write(writing, traceback.format_exc().encode()[-4000:])
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.close(writing)
    os.waitpid(child, os.WUNTRACED)
    tracer = subprocess.Popen(["strace", "-qq", "-p", str(child), *options], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while f"TracerPid:\t{tracer.pid}" not in Path(f"/proc/{child}/status").read_text():
        assert tracer.poll() is None, f"strace: {tracer.stderr.read().decode()}"  # type: ignore[union-attr]
        assert time.monotonic() < deadline, "strace did not attach"
        time.sleep(0.002)
    os.kill(child, signal.SIGCONT)
    _, code = os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    tracer.wait(20)
    return Ended(os.waitstatus_to_exitcode(code), said)


def trace_command(command: list[str], below: Path, log: Path) -> list[Point]:
    """As `trace`, for a program: the calls of the thread that makes the most changes below a folder."""
    options = ["-f", "--seccomp-bpf", "-qq", "-y", "-e", f"trace={CALLS}", "-o", str(log)]
    subprocess.run(["strace", *options, *command], check=True, capture_output=True, timeout=500)
    seen: Counter[tuple[str, str]] = Counter()
    points: dict[str, list[Point]] = {}
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(\d+) +(\w+)\((.*)", line)
        if match is None:
            continue
        thread, call, arguments = match.groups()
        seen[thread, call] += 1
        if str(below) in arguments and (call != "openat" or OPENS_TO_WRITE.search(arguments)):
            paths = re.findall(re.escape(str(below)) + r'[^">]*', arguments)
            points.setdefault(thread, []).append(Point(call, seen[thread, call], paths[-1].removeprefix(str(below))))
    return max(points.values(), key=len)


def inject_into_command(command: list[str], point: Point, fault: str, log: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program; the fault hits the first thread that reaches that call's number."""
    what = "signal=KILL" if fault == "KILL" else f"error={fault}"
    inject = f"inject={point.call}:{what}:when={point.ordinal}"
    options = ["-f", "--seccomp-bpf", "-qq", "-e", f"trace={point.call}", "-e", inject, "-o", str(log)]
    return subprocess.run(
        ["strace", *options, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        stdin=subprocess.DEVNULL,
    )
