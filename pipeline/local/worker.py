"""The process that runs the pipeline for `digits run`: `python -m pipeline.local.worker DESCRIPTOR`."""

from __future__ import annotations

import gc
import json
import logging
import os
import select
import sys
import threading
import traceback
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.config import PipelineConfig

if TYPE_CHECKING:
    from pipeline.local.execution import Report


class ProgressHandler(logging.Handler):
    """Passes the Trainer's progress on."""

    def __init__(self, report: Report):
        super().__init__()
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Reports a record that carries progress."""
        if "progress" in record.__dict__:
            self._report({"event": "progress", **record.__dict__["progress"]})


def end_with_reader(descriptor: int) -> None:
    """Ends this process as soon as nobody reads the pipe any more: `digits run` was killed and its root is free."""
    poll = select.poll()
    poll.register(descriptor, 0)  # errors are reported in any case
    poll.poll()
    os._exit(1)  # as good as a kill, from which a run goes on


def main() -> int:
    """Runs the PipelineConfig that comes as JSON on standard input; writes events as JSON lines to a descriptor."""
    events = os.fdopen(int(sys.argv[1]), "w", buffering=1, encoding="utf-8")
    threading.Thread(target=end_with_reader, args=(events.fileno(),), daemon=True).start()

    def report(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")

    # What the libraries load stays: the collector need not look at it again and again, which is a sixth of loading.
    gc.disable()
    import tensorflow as tf  # noqa: PLC0415
    from absl import logging as absl_logging  # noqa: PLC0415

    from models.training.progress import PROGRESS_LOGGER  # noqa: PLC0415
    from pipeline.local.execution import ComponentError, run  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    absl_logging.use_absl_handler()
    absl_logging.set_verbosity(absl_logging.INFO)
    tf.get_logger().propagate = False  # it has a handler of its own
    progress = logging.getLogger(PROGRESS_LOGGER)
    progress.setLevel(logging.INFO)
    progress.propagate = False
    progress.addHandler(ProgressHandler(report))
    config = PipelineConfig.from_dict(json.load(sys.stdin))
    try:
        report({"event": "summary", **asdict(run(config, report))})
    except ComponentError as error:
        traceback.print_exc()
        report({"event": "error", "component": error.component, "message": error.reason})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
