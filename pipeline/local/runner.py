"""The parent of a local run: starts the pipeline in a process of its own, keeps its noise in a log, shows its events.

The child (pipeline/local/worker.py) loads TensorFlow; this side does not, so that its view stays alive and a crash
there is a sentence here. Events are JSON lines on a pipe: `plan` (components, run_id), `start` (component), `progress`
(epoch, epochs, step, steps, loss, accuracy, ...), `end` (component, state), `summary` (pipeline.local.summary.Summary)
and `error` (component or null, message).
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Protocol

from rich.console import Console
from rich.text import Text

from pipeline.beam_options import find_unreachable
from pipeline.config import LOCK_FILE, PipelineConfig, child_environment, tf_config
from pipeline.history.reading import check_database
from pipeline.history.records import HistoryError
from pipeline.local.view import RunView, describe_summary

PUSHED, FAILED, NOT_BLESSED, INTERRUPTED = 0, 1, 3, 130


class View(Protocol):
    """What shows a run's events; entered when the pipeline starts and left when it ends."""

    def __enter__(self) -> object:
        """Begins to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the last state on the screen."""

    def show_log(self, path: Path) -> None:
        """Takes where the libraries' output is; before it is entered."""

    def show(self, event: dict[str, Any]) -> None:
        """Takes one event."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        last: its last event, empty where there was none.
        status: 0, INTERRUPTED, or the status the process ended with without a last word.
        log_path: where the libraries' output is.
    """

    last: dict[str, Any]
    status: int
    log_path: Path

    @property
    def summary(self) -> dict[str, Any] | None:
        """What the run came to, None where it did not get so far."""
        return self.last if self.last.get("event") == "summary" and not self.status else None


def run_locally(
    config: PipelineConfig,
    console: Console,
    *,
    prepare: Callable[[], object] = lambda: None,
    verbose: bool = False,
) -> int:
    """Runs the pipeline and shows how it goes.

    Args:
        config: what to run.
        console: where to show it: live on a terminal, as plain lines elsewhere.
        prepare: is called before the pipeline starts, while its process loads TensorFlow; what it raises ends the run.
        verbose: also copies what the libraries print to standard error.

    Returns:
        The exit code: 0 pushed, 1 failed, 3 not blessed, 130 interrupted.
    """
    outcome = follow(config, console, RunView(console), prepare=prepare, verbose=verbose)
    if outcome is None:
        return FAILED
    if outcome.summary is None:
        return explain(outcome, console)
    console.print(describe_summary(outcome.summary, config))
    return PUSHED if outcome.summary["version"] else NOT_BLESSED


def follow(
    config: PipelineConfig,
    console: Console,
    view: View,
    *,
    prepare: Callable[[], object] = lambda: None,
    verbose: bool = False,
) -> Outcome | None:
    """Runs the pipeline in its process and passes the events on to a view.

    Args:
        config: what to run.
        console: where to say what keeps the run from starting.
        view: what shows the events.
        prepare: as run_locally takes it.
        verbose: as run_locally takes it.

    Returns:
        How it ended; None where it could not start, which was said.
    """
    obstacle = _cluster_obstacle() or find_unreachable(config.beam_args)
    if obstacle:
        console.out(obstacle, style="red", highlight=False)
        return None
    log_path = config.state_folder / "logs" / f"{datetime.now():%Y%m%d-%H%M%S}.log"
    option, folder = "--root", str(config.state_folder)
    try:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        (config.state_folder / LOCK_FILE).touch()
        TemporaryFile(dir=folder).close()
        option, folder = "--push-dir", config.push_dir
        if config.thresholds and "://" not in folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=folder).close()  # a run that takes minutes should not end at a read-only folder
    except OSError as error:
        problem = f"{folder} cannot be used ({error.strerror}). Put that right, or choose another {option}."
        console.out(problem, style="red", highlight=False)
        return None
    with _only_run_in(config.state_folder) as alone:
        if not alone:
            way_out = " Wait for it to end, or give this one another --root."
            console.print(Text.assemble((f"Another run is using {config.root}.", "red"), way_out), soft_wrap=True)
            return None
        view.show_log(log_path)
        last: dict[str, Any] = {}
        status = 0
        with closing(_events(config, log_path, verbose)) as events:
            try:
                next(events)
                check_database(config.state_folder)
                prepare()
                with view:
                    for event in events:
                        last = event
                        view.show(event)
            except KeyboardInterrupt:
                status = INTERRUPTED
            except HistoryError as error:
                console.out(str(error), style="red", highlight=False)
                return None
            except _ChildEndedError as error:
                status = error.status
        return Outcome(last, status, log_path)


def _cluster_obstacle() -> str | None:
    """Why no run can train under this TF_CONFIG; the Trainer would only find out when much is done."""
    try:
        cluster = json.loads(tf_config()).get("cluster", {})
        machines = sum(len(cluster.get(job, ())) for job in ("chief", "worker"))
    except (ValueError, AttributeError, TypeError):
        return "TF_CONFIG is no JSON object with a cluster: unset it."
    if machines < 2:
        return None
    return (
        f"TF_CONFIG names {machines} machines, but a run that starts here trains on this one alone: unset TF_CONFIG, "
        "or train on several with `digits vertex compile --train-machines` (docs/scaling.md)."
    )


def explain(outcome: Outcome, console: Console) -> int:
    """Says why a run has no summary, and how to go on; returns the exit code."""
    last, status = outcome.last, outcome.status
    if status == INTERRUPTED:
        console.print("Interrupted. The same command goes on from here: what is finished is kept.")
        return INTERRUPTED
    if last.get("event") == "error":
        where = f"{last['component']} failed: " if last["component"] else "The pipeline failed: "
        # (in one go: what a live view is drawn below has to end its line)
        console.print(Text.assemble((where, "red"), last["message"]), highlight=False, soft_wrap=True)
    else:
        ended = f"by signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"with status {status}"
        console.print(f"[red]The pipeline's process was ended {ended}.[/]")
        if status == -signal.SIGKILL:
            console.print("If nobody stopped it, memory may have run out: try a smaller --batch-size.")
    kept = "What is finished is kept: the same command goes on from here."
    console.out(f"{kept} Details: {outcome.log_path}", highlight=False)
    return FAILED


class _ChildEndedError(Exception):
    """The child ended without a last word."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


def _events(config: PipelineConfig, log_path: Path, verbose: bool) -> Generator[dict[str, Any], None, None]:
    """Starts the child, yields a first event of its own, then tells the child to run and yields its events."""
    receiving, sending = os.pipe()
    with log_path.open("wb") as log, os.fdopen(receiving, encoding="utf-8") as events:
        child = subprocess.Popen(
            [sys.executable, "-m", "pipeline.local.worker", str(sending)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if verbose else log,
            stderr=subprocess.STDOUT,
            pass_fds=[sending],
            env=child_environment(),
        )
        os.close(sending)
        copier = threading.Thread(target=_copy, args=(child.stdout, log), daemon=True)
        try:
            if verbose:
                copier.start()
            yield {"event": "loading"}
            _send(child, config)
            last_word = False
            for line in events:
                event: dict[str, Any] = json.loads(line)
                last_word = event["event"] in {"summary", "error"}
                yield event
            child.wait()
            if not last_word:
                raise _ChildEndedError(child.returncode)
        finally:
            _stop(child)
            if verbose:
                copier.join()


def _send(child: subprocess.Popen[bytes], config: PipelineConfig) -> None:
    assert child.stdin is not None  # it was asked for
    with suppress(BrokenPipeError):  # the child is gone already: its status says so
        child.stdin.write(json.dumps(config.to_dict()).encode())
    with suppress(BrokenPipeError):
        child.stdin.close()


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ends the child if it still runs; it gets a few seconds to close its files."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _copy(source: IO[bytes] | None, log: IO[bytes]) -> None:
    assert source is not None  # --verbose asked for it
    for line in source:
        log.write(line)
        sys.stderr.buffer.write(line)
        sys.stderr.flush()


@contextmanager
def _only_run_in(folder: Path) -> Iterator[bool]:
    """Whether no other run uses this folder: TFX's SQLite database and checkpoints are for one at a time."""
    with (folder / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
