"""The state of a training on disk, from which the same training resumes after a kill."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import keras
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.dsl.io import fileio

from compat.tfx import io_utils
from models.training.distribution import Distribution

_SECONDS_FILE = "seconds.json"


class Stopwatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures how long a training takes, over all processes that resumed it.

    Args:
        state: folder of the state, where it notes the time after each epoch.
    """

    def __init__(self, state: str):
        super().__init__()
        self._path = os.path.join(state, _SECONDS_FILE)
        self._before = 0.0
        if fileio.exists(self._path):
            with fileio.open(self._path, "r") as file:
                self._before = float(json.loads(file.read()))
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of this process and of those before it, up to the last epoch that each completed."""
        return self._before + time.monotonic() - self._start

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Notes the time."""
        io_utils.write_string_file(self._path, json.dumps(self.seconds))


@contextmanager
def open_state(checkpoint: str, distribution: Distribution) -> Iterator[str]:
    """The folder this program keeps its state in: the chief's is `checkpoint`, the others start from copies of it."""
    if distribution.is_chief:
        epochs_done(checkpoint)  # removes what cannot be read
        distribution.wait_for_all()
        yield checkpoint
        return
    with tempfile.TemporaryDirectory() as folder:
        own = os.path.join(folder, "checkpoint")
        distribution.wait_for_all()
        if fileio.exists(checkpoint):  # (the chief cannot change it: no epoch ends before all have begun it)
            io_utils.copy_dir(checkpoint, own)
        yield own


def state_folder(fn_args: FnArgs) -> str:
    """Where this very training keeps its state: the same for a re-run on the same inputs, different for any other."""
    inputs = [fn_args.custom_config, sorted(fn_args.train_files), fn_args.transform_output]
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    # model_run_dir is <Trainer>/model_run/<execution>; the folder lies beside `model_run`.
    return os.path.join(os.path.dirname(os.path.dirname(fn_args.model_run_dir)), "checkpoints", key)


def epochs_done(checkpoint: str) -> int:
    """How many epochs the state in the folder has behind it; a folder without a readable state is removed."""
    path = os.path.join(checkpoint, "training_metadata.json")
    if fileio.exists(path):
        try:
            with fileio.open(path, "r") as file:
                return int(json.loads(file.read())["epoch"])
        except ValueError:
            logging.getLogger(__name__).warning("%s is cut short: training starts anew", path)
    if fileio.exists(checkpoint):
        fileio.rmtree(checkpoint)
    return 0
