"""The parent of a local run: starts the pipeline in a separate process, writes its output to a log, shows its events.

The worker (pipeline/local/worker.py) loads TensorFlow; this side does not, so its view stays responsive and can report
a crash of the worker. Events are dicts: `plan` (components, run_id), `start` (component), `progress` (epoch, epochs,
step, steps, loss, accuracy, ...), `end` (component, state), `summary` (run, a pipeline.history.records.Run; report, the
path of its page or None) and `error` (component or None, message).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from filelock import FileLock, Timeout
from rich.console import Console
from rich.text import Text

from pipeline.beam_options import find_unreachable
from pipeline.config import LOCK_FILE, PipelineConfig, child_environment, tf_config
from pipeline.history.reading import check_database
from pipeline.history.records import Run
from pipeline.local.view import RunView, summarise
from workers import UserError, Worker, WorkerEndedError

PUSHED, FAILED, NOT_BLESSED, INTERRUPTED = 0, 1, 3, 130

_LAST_EVENTS = ("summary", "error")
_STOP_S = 10.0  # how long an interrupted worker may take to close its files
_LOCK_S = 1.0
"""How long to try for the lock: a reader (pipeline/history/reading.py) may hold it for a moment."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    last: dict[str, Any]  # its last event; empty if there was none
    status: int  # 0, INTERRUPTED, or the status of a worker that ended before it reported the run's result
    log_path: Path  # where the libraries' output is

    @property
    def run(self) -> Run | None:
        """The finished run; None if it did not get that far."""
        return self.last["run"] if self.last.get("event") == "summary" and not self.status else None


def run_locally(
    config: PipelineConfig,
    console: Console,
    *,
    prepare: Callable[[], object] = lambda: None,
    verbose: bool = False,
) -> int:
    """Runs the pipeline and shows its progress: live on a terminal, as plain lines elsewhere.

    Returns:
        The exit code: 0 pushed, 1 failed, 3 not blessed, 130 interrupted.

    Raises:
        UserError: see `follow`.
    """
    outcome = follow(config, RunView(console), prepare=prepare, verbose=verbose)
    if outcome.run is None:
        return explain(outcome, console)
    console.print(summarise(outcome.run, outcome.last["report"], config))
    return PUSHED if outcome.run.version else NOT_BLESSED


def follow(config: PipelineConfig, view: RunView, *, prepare: Callable[[], object], verbose: bool = False) -> Outcome:
    """Runs the pipeline in its process and passes the events to a view.

    Args:
        prepare: called before the pipeline starts, while its process loads TensorFlow; an exception ends the run.
        verbose: also copies the libraries' output to standard error.

    Raises:
        UserError: the run cannot start.
    """
    obstacle = _cluster_obstacle() or find_unreachable(config.beam_args)
    if obstacle:
        raise UserError(obstacle)
    log_path = config.state_folder / "logs" / f"{datetime.now():%Y%m%d-%H%M%S}.log"
    _make_folders(config, log_path.parent)
    try:  # TFX's SQLite database and checkpoints allow one run at a time
        alone = FileLock(config.state_folder / LOCK_FILE).acquire(timeout=_LOCK_S)
    except Timeout:
        way_out = "Wait until it ends, or give this run another --root."
        raise UserError(f"Another run is using {config.root}. {way_out}") from None
    last: dict[str, Any] = {}
    status = 0
    with alone, closing(_events(config, log_path, verbose)) as events:
        view.show_log(log_path)
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
        except WorkerEndedError as ended:
            status = ended.status
    return Outcome(last, status, log_path)


def _make_folders(config: PipelineConfig, logs: Path) -> None:
    """Makes root and push folder, and checks that both are writable, so a run does not fail only after minutes."""
    option, folder = "--root", str(config.state_folder)
    try:
        logs.mkdir(parents=True, exist_ok=True)
        (config.state_folder / LOCK_FILE).touch()
        TemporaryFile(dir=folder).close()
        option, folder = "--push-dir", config.push_dir
        if config.thresholds and "://" not in folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f"{folder} cannot be used ({error.strerror}). Fix that, or choose another {option}.") from error


def _cluster_obstacle() -> str | None:
    """Why no run can train under this TF_CONFIG; the Trainer would find out only late in the run."""
    try:
        cluster = json.loads(tf_config()).get("cluster", {})
        machines = sum(len(cluster.get(job, ())) for job in ("chief", "worker"))
    except (ValueError, AttributeError, TypeError):
        return "TF_CONFIG is not a JSON object with a cluster: unset it."
    if machines < 2:
        return None
    return (
        f"TF_CONFIG names {machines} machines, but a run started here trains only on this one: unset TF_CONFIG, "
        "or train on several with `digits vertex compile --train-machines` (docs/scaling.md)."
    )


def explain(outcome: Outcome, console: Console) -> int:
    """Prints why a run did not finish, and what to do next; returns the exit code."""
    last, status = outcome.last, outcome.status
    if status == INTERRUPTED:
        console.print("Interrupted. The same command resumes after the last completed component.")
        return INTERRUPTED
    if last.get("event") == "error":
        where = f"{last['component']} failed: " if last["component"] else "The pipeline failed: "
        # (in one call: output above a live view must end with a newline)
        console.print(Text.assemble((where, "red"), last["message"]), highlight=False, soft_wrap=True)
    else:
        signalled = f"was ended by signal {-status} ({signal.Signals(-status).name})" if status < 0 else ""
        console.print(f"[red]The pipeline's process {signalled or f'ended with status {status}'}.[/]")
        if status == -signal.SIGKILL:
            console.print("If you did not stop it, memory may have run out: try a smaller --batch-size.")
    kept = "The same command resumes after the last completed component."
    console.out(f"{kept} Details: {outcome.log_path}", highlight=False)
    return FAILED


def _events(config: PipelineConfig, log_path: Path, verbose: bool) -> Generator[dict[str, Any], None, None]:
    """Starts the worker, yields an initial event, then tells the worker to run and yields its events."""
    with log_path.open("wb") as log:
        worker = Worker(
            "pipeline.local.worker:work",
            output=subprocess.PIPE if verbose else log,
            environment=child_environment(),
        )
        copier = threading.Thread(target=_copy, args=(worker.process.stdout, log), daemon=True)
        try:
            if verbose:
                copier.start()
            yield {"event": "loading"}
            worker.send(config)
            last = ""
            while last not in _LAST_EVENTS:
                event: dict[str, Any] = worker.receive()
                last = event["event"]
                yield event
            worker.wait()
        finally:
            worker.stop(_STOP_S)
            if verbose:
                copier.join()


def _copy(source: IO[bytes] | None, log: IO[bytes]) -> None:
    assert source is not None  # --verbose asked for it
    for line in source:
        log.write(line)
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
