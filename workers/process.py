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

_LAST_BYTES = 4096  # how much of a worker's output is searched, from its end, for the last line


class UserError(Exception):
    """An error the user can fix. A command prints the message, one or two sentences with the next step, and ends."""


class WorkerEndedError(Exception):
    """A worker ended before it answered; the message says how.

    Attributes:
        status: its exit status, negative for a signal.
        said: the last line that it or its libraries printed; "" if there was none.
    """

    def __init__(self, status: int, said: str):
        how = f"signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"exit status {status}"
        super().__init__(f"its process ended with {how}{': ' * bool(said)}{said}")
        self.status, self.said = status, said


class WorkerTimeoutError(Exception):
    """A worker did not answer in time."""


class Worker:
    """A function that runs in a separate process, which ends with this object's context or with this process.

    The process starts at once and loads its module while the parent continues. Its temporary files are in a separate
    folder, which is removed however the process ends.

    Args:
        target: "package.module:function"; the function takes a multiprocessing.connection.Connection, and the worker
            ends when it returns.
        output: where its standard output and error go; by default, to a temporary file that only WorkerEndedError
            quotes.
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
                [sys.executable, "-u", "-m", "workers.child", str(theirs.fileno()), target, self._scratch.name],
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
        """Ends the process, whether or not it is done."""
        self.stop(patience=0)

    def send(self, message: Any) -> None:
        """Sends a message, which must be picklable.

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
            timeout: seconds to wait; None waits for ever.

        Raises:
            WorkerEndedError: the worker ended without a message; one that a kill cut short does not count.
            WorkerTimeoutError: no message came in time.
        """
        try:
            if not self._connection.poll(timeout):
                raise WorkerTimeoutError(f"no answer within {timeout:g} s")
            return self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error

    def __iter__(self) -> Iterator[Any]:
        """The worker's messages until it ends.

        Raises:
            WorkerEndedError: it ended with a status other than 0.
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
        """Waits until the process ends by itself."""
        self.process.wait()

    def stop(self, patience: float) -> None:
        """Ends the process: with SIGINT and, `patience` seconds later, a kill; without patience, with a kill at once.

        Any thread may call it; a thread that waits for a message then gets WorkerEndedError.
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
    *arguments: Any,
    error: type[Exception],
    failure: str,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """Calls a function in a worker, which loads its module; returns its result.

    Args:
        target: "package.module:function".
        arguments: its arguments; they, the result and the error must be picklable.
        error: the class of errors to pass on.
        failure: the message if the worker ends in another way, without a full stop.
        environment: as for Worker.

    Raises:
        error: the function raised one, or the worker ended without a result.
    """
    with Worker("workers.child:answer", environment=environment) as worker:
        try:
            worker.send((target, arguments, error))
            answer = worker.receive()
        except WorkerEndedError as ended:
            raise error(f"{failure}: {ended}.") from ended
    if isinstance(answer, error):
        raise answer
    return answer
