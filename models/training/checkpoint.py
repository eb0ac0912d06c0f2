"""The state of a training on disk, from which the same training resumes after a kill."""

from __future__ import annotations

import hashlib
import json
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

_WEIGHTS = ".weights.h5"


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves the state of a training after each epoch, atomically, and restores the latest at the start.

    Keras' BackupAndRestore overwrites the weights in place: a kill during the write leaves a training that can neither
    resume nor restart. Here `N.weights.h5` holds the weights and the optimizer's variables of epoch N and appears only
    when complete, beside `N.json`, the training seconds so far.

    Args:
        state: folder of the state.
    """

    def __init__(self, state: str):
        super().__init__()
        self._folder = state
        self.epochs_done = epochs_done(state)
        self._before = 0.0
        if self.epochs_done:
            with fileio.open(self._path(self.epochs_done, ".json"), "r") as file:
                self._before = float(file.read())
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of this process plus those of earlier ones, up to the last epoch that each completed."""
        return self._before + time.monotonic() - self._start

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Restores the latest state, if there is one."""
        if not self.epochs_done:
            return
        self.model.optimizer.build(self.model.trainable_variables)
        with tempfile.TemporaryDirectory() as local:
            copy = os.path.join(local, _WEIGHTS)
            io_utils.copy_file(self._path(self.epochs_done, _WEIGHTS), copy)
            self.model.load_weights(copy)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the state and removes the previous one."""
        fileio.makedirs(self._folder)
        self.epochs_done = epoch + 1
        io_utils.write_string_file(self._path(self.epochs_done, ".json"), str(self.seconds))
        part = os.path.join(self._folder, "part")
        with tempfile.TemporaryDirectory() as local:
            copy = os.path.join(local, _WEIGHTS)
            self.model.save_weights(copy)
            io_utils.copy_file(copy, part, overwrite=True)
        fileio.rename(part, self._path(self.epochs_done, _WEIGHTS), overwrite=True)
        for name in fileio.listdir(self._folder):
            if not name.startswith(f"{self.epochs_done}."):
                fileio.remove(os.path.join(self._folder, name))

    def _path(self, epochs: int, suffix: str) -> str:
        return os.path.join(self._folder, f"{epochs}{suffix}")


@contextmanager
def open_state(checkpoint: str, distribution: Distribution) -> Iterator[str]:
    """The folder of this program's state: `checkpoint` for the chief, a copy of it for the others."""
    if distribution.is_chief:
        distribution.wait_for_all()
        yield checkpoint
        return
    with tempfile.TemporaryDirectory() as folder:
        own = os.path.join(folder, "checkpoint")
        distribution.wait_for_all()
        if fileio.exists(checkpoint):  # (the chief cannot change it yet: an epoch ends only after all have begun it)
            io_utils.copy_dir(checkpoint, own)
        yield own


def state_folder(fn_args: FnArgs) -> str:
    """The folder of this training's state: the same for a rerun on the same inputs, different for any other."""
    inputs = [fn_args.custom_config, sorted(fn_args.train_files), fn_args.transform_output]
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    # model_run_dir is <Trainer>/model_run/<execution>; the folder lies beside `model_run`.
    return os.path.join(os.path.dirname(os.path.dirname(fn_args.model_run_dir)), "checkpoints", key)


def epochs_done(state: str) -> int:
    """Number of epochs that the latest complete state in the folder covers; 0 if there is none."""
    names = fileio.listdir(state) if fileio.exists(state) else []
    epochs = [name.removesuffix(_WEIGHTS) for name in names if name.endswith(_WEIGHTS)]
    return max((int(name) for name in epochs if name.isdigit()), default=0)
