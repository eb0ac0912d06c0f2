"""The worker that runs the pipeline for `digits run`."""

from __future__ import annotations

import gc
import logging
import traceback
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.local.execution import Report


class ProgressHandler(logging.Handler):
    """Forwards the Trainer's progress."""

    def __init__(self, report: Report):
        super().__init__()
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Reports a record that carries progress."""
        if "progress" in record.__dict__:
            self._report({"event": "progress", **record.__dict__["progress"]})


def work(connection: Connection) -> None:
    """Runs the PipelineConfig that it receives and sends events; a worker, because TensorFlow may crash its process."""
    # Nothing that the libraries load is freed, so the garbage collector would only waste a sixth of the load time.
    gc.disable()
    import tensorflow as tf  # noqa: PLC0415
    from absl import logging as absl_logging  # noqa: PLC0415

    from models.training.progress import PROGRESS_LOGGER  # noqa: PLC0415
    from pipeline.local.execution import ComponentError, run  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    absl_logging.use_absl_handler()
    absl_logging.set_verbosity(absl_logging.INFO)
    tf.get_logger().propagate = False  # it has its own handler
    progress = logging.getLogger(PROGRESS_LOGGER)
    progress.setLevel(logging.INFO)
    progress.propagate = False
    progress.addHandler(ProgressHandler(connection.send))
    try:
        finished, report = run(connection.recv(), connection.send)
        connection.send({"event": "summary", "run": finished, "report": report})
    except ComponentError as error:
        traceback.print_exc()
        connection.send({"event": "error", "component": error.component, "message": error.reason})
