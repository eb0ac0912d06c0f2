"""TensorBoard for the logs of all trainings in a root, under readable names."""

from __future__ import annotations

import io
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

from pipeline.history.reading import read_runs
from pipeline.history.records import HistoryError, Run
from workers import UserError

REFRESH_S = 5.0  # how often to look for new runs


def name_logs(run: Run) -> str:
    """The name of a training: model, epochs, run id, as in "lenet-10-epochs-20261122-144733.173206"."""
    return f"{run.parameters['model']}-{run.parameters['epochs']}-epochs-{run.run_id}"


def link_logs(root: Path, folder: Path) -> int:
    """Makes links in `folder` to the logs of every training in `root`, including a running one.

    Returns:
        The number of links.

    Raises:
        HistoryError: there are no runs.
    """
    links = 0
    for run in read_runs(root):
        trainer = run.step("Trainer")
        if trainer is None or trainer.state == "cached":  # nothing was trained
            continue
        logs = root.absolute() / "Trainer" / "model_run" / str(trainer.execution)
        link = folder / name_logs(run)
        if logs.is_dir():
            links += 1
            if not link.is_symlink():
                link.symlink_to(logs, target_is_directory=True)
    return links


def serve(root: Path, host: str, port: int, announce: Callable[[str, int], None]) -> None:
    """Serves TensorBoard until interrupted, and announces its URL and the number of trainings.

    New runs appear automatically. Port 0 means any free port.

    Raises:
        HistoryError: there are no runs, or none was trained.
        UserError: the port cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="digits-tensorboard-") as folder:
        trainings = link_logs(root, Path(folder))
        if not trainings:
            raise HistoryError(f"No run in {root} has training logs on this machine yet.")
        url = _launch(folder, host, port)
        announce(url, trainings)
        while True:
            time.sleep(REFRESH_S)
            link_logs(root, Path(folder))


def _launch(folder: str, host: str, port: int) -> str:
    """Starts TensorBoard in this process, without its messages on the screen; returns its URL."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # it still imports pkg_resources
        from tensorboard import program  # noqa: PLC0415 (takes more than a second, and may be missing)

        board = program.TensorBoard()
        board.configure(logdir=folder, host=host, port=port, reload_interval=REFRESH_S)
        try:
            url: str = board.launch()
        except program.TensorBoardServerException as error:
            raise UserError(f"{error.msg.rstrip('.')}. Choose another --port.") from error
    return url
