"""The parent's side of a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from multiprocessing import Pipe
from typing import IO, Any

_LAST_BYTES = 4096  # how much of the end of a worker's output is searched for its last line


class UserError(Exception):
    """What a person can put right; the message is one sentence or two, with the next step. A command ends with it."""


class WorkerEndedError(Exception):
    """A worker ended before it had said all that was asked of it; the message says how.

    Attributes:
        status: its exit status, negative for a signal.
        said: the last line that it or its libraries printed, "" if there was none.
    """

    def __init__(self, status: int, said: str):
        how = f"signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"exit status {status}"
        super().__init__(f"its process ended with {how}{': ' * bool(said)}{said}")
        self.status, self.said = status, said


class WorkerTimeoutError(Exception):
    """A worker did not answer in time."""


class Worker:
    """A function that runs in a process of its own, which ends with this object's context, or with this process.

    The process starts at once: what its module loads, it loads while the parent goes on. Its temporary files are in a
    folder of its own, which is removed however it ends.

    Args:
        target: "package.module:function"; the function takes a multiprocessing.connection.Connection, and the worker
            ends when it returns.
        output: where its standard output and error go; by default, to a file that nobody sees but WorkerEndedError.
        environment: its environment variables; by default, this process's.
    """

    def __init__(
        self, target: str, *, output: IO[bytes] | int | None = None, environment: Mapping[str, str] | None = None
    ):
        self._connection, theirs = Pipe()
        self._stopping = threading.Lock()
        self._scratch = tempfile.TemporaryDirectory(prefix="digits-", ignore_cleanup_errors=True)
        self._output = tempfile.TemporaryFile() if output is None else None  # noqa: SIM115 (stop closes it)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.child", str(theirs.fileno()), target, self._scratch.name],
                stdin=subprocess.DEVNULL,
                stdout=self._output or output,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                env=environment,
            )

    def __enter__(self) -> Worker:
        """The worker itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process, whether it is done or not."""
        self.stop(patience=0)

    def send(self, message: Any) -> None:
        """Sends a message, which pickle can take.

        Raises:
            WorkerEndedError: the worker has ended.
        """
        try:
            self._connection.send(message)
        except OSError as error:
            raise self._ended() from error

    def receive(self, timeout: float | None = None) -> Any:
        """The worker's next message.

        Args:
            timeout: seconds to wait; None for ever.

        Raises:
            WorkerEndedError: the worker ended without one; a message that was cut by a kill is none.
            WorkerTimeoutError: there was none in time.
        """
        try:
            if not self._connection.poll(timeout):
                raise WorkerTimeoutError(f"no answer within {timeout:g} s")
            return self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error

    def __iter__(self) -> Iterator[Any]:
        """The worker's messages until it has ended well.

        Raises:
            WorkerEndedError: it ended with another status than 0.
        """
        while True:
            try:
                message = self.receive()
            except WorkerEndedError as ended:
                if ended.status:
                    raise
                return
            yield message

    def wait(self) -> None:
        """Returns when the process has ended by itself."""
        self.process.wait()

    def stop(self, patience: float) -> None:
        """Ends the process: if there is patience with SIGINT, and so many seconds later with a kill.

        Any thread may call it; one that waits for a message then gets WorkerEndedError.
        """
        with self._stopping:
            if self.process.poll() is None and patience:
                self.process.send_signal(signal.SIGINT)
                try:
                    self.process.wait(patience)
                except subprocess.TimeoutExpired:
                    self.process.kill()
            elif self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self._connection.close()
            self._scratch.cleanup()
            if self._output:
                self._output.close()

    def _ended(self) -> WorkerEndedError:
        return WorkerEndedError(self.process.wait(), self._last_line())

    def _last_line(self) -> str:
        if self._output is None or self._output.closed:
            return ""
        self._output.seek(max(0, self._output.seek(0, os.SEEK_END) - _LAST_BYTES))
        lines = self._output.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else ""


def ask(
    target: str,
    request: Any,
    *,
    error: type[Exception],
    failure: str,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """Asks a worker one question.

    Args:
        target: as Worker takes it; the function receives the request and sends an answer, or an exception of the class
            `error`.
        request: the question.
        error: what is raised.
        failure: what to say if the worker ended without an answer, without the full stop.
        environment: as Worker takes it.

    Raises:
        error: the worker sent one, or it ended without an answer.
    """
    with Worker(target, environment=environment) as worker:
        try:
            worker.send(request)
            answer = worker.receive()
        except WorkerEndedError as ended:
            raise error(f"{failure}: {ended}.") from ended
    if isinstance(answer, error):
        raise answer
    return answer
