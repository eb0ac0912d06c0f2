"""Logs the progress of a training and measures its speed."""

from __future__ import annotations

import logging
import math
import statistics
import time

import keras

PROGRESS_LOGGER = "digits.progress"  # records of this logger carry a dict `progress`; the local runner shows them live


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Logs progress at most twice a second, and measures speed."""

    def __init__(self, epochs: int, steps: int, batch_size: int):
        super().__init__()
        self._epochs, self._steps, self._batch_size = epochs, steps, batch_size
        self._epoch = 0
        self._epoch_start = self._last = time.monotonic()
        self._step_seconds: list[float] = []

    @property
    def images_per_second(self) -> float | None:
        """Training speed in the median epoch, without validation; None if no epoch ran.

        Of two epochs it is the faster one, because the first includes tracing.
        """
        if not self._step_seconds:
            return None
        return self._steps * self._batch_size / statistics.median_low(self._step_seconds)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the epoch's timer."""
        self._epoch, self._epoch_start = epoch, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Logs, and stops the epoch's timer at its last step."""
        now = time.monotonic()
        if batch == self._steps - 1:
            self._step_seconds.append(now - self._epoch_start)
        elif now - self._last < 0.5:
            return
        self._last = now
        self._log(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Logs the epoch with its validation."""
        self._log(self._steps, logs or {})

    def _log(self, step: int, logs: dict[str, float]) -> None:
        state = {
            "epoch": self._epoch + 1,
            "epochs": self._epochs,
            "step": step,
            "steps": self._steps,
            **{key: float(value) for key, value in logs.items()},
        }
        logging.getLogger(PROGRESS_LOGGER).info("%s", state, extra={"progress": state})


class DivergedError(RuntimeError):
    """The loss is not finite; the message says what to do next."""


class StopAtNaN(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops a training whose loss became NaN or infinite: its weights cannot recover.

    Args:
        learning_rate: the peak of the schedule, for the message.
    """

    def __init__(self, learning_rate: float):
        super().__init__()
        self._learning_rate, self._epoch = learning_rate, 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Raises DivergedError if the loss of the epoch so far is not finite."""
        if logs and not math.isfinite(logs["loss"]):
            raise DivergedError(
                f"the loss became {logs['loss']} in epoch {self._epoch + 1}, step {batch + 1}: the training diverged "
                f"at a learning rate of up to {self._learning_rate:g}. Try a smaller --learning-rate, such as a tenth."
            )
