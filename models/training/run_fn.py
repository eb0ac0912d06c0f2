"""The Trainer's entry point: builds, trains and exports a network. A killed training goes on from its last epoch."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from models.export.card import describe_layers, describe_machine
from models.export.saved_model import LitertConverter, export_model, fit_temperature, git_revision
from models.recipe import TrainingParameters
from models.registry import ARCHITECTURES
from models.training.distribution import Distribution, join_devices
from models.training.input_pipeline import Split, load_or_stream, load_split, training_batches
from models.training.loss import DigitAccuracy, OutlierExposureLoss
from models.training.streaming import Stream

PROGRESS_LOGGER = "digits.progress"
"""Records of this logger carry a dict `progress`; the local runner shows them live."""

_EVAL_BATCH = 500
_WARM_UP = 0.2  # of all steps


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports; see TFX's Trainer guide for the attributes of `fn_args`.

    In a cluster (TF_CONFIG) every program calls this with the same arguments, in a file system that all share. The
    chief exports and keeps the state; the others return when the export is there.
    """
    distribution = join_devices()  # before anything else: TensorFlow joins a cluster only while it is fresh
    parameters = TrainingParameters.from_custom_config(fn_args.custom_config)
    with ExitStack() as stack:
        converter = stack.enter_context(LitertConverter()) if distribution.is_chief else None
        transform_output = tft.TFTransformOutput(fn_args.transform_output)
        train = load_or_stream(fn_args.train_files, transform_output, parameters.memory_mib * 2**20)
        evaluation = load_split(fn_args.eval_files, transform_output)

        checkpoint = _checkpoint_folder(fn_args)
        model, facts = train_model(
            parameters, train, evaluation, checkpoint, fn_args.model_run_dir, distribution=distribution
        )
        if converter is not None:
            architecture = ARCHITECTURES[parameters.model]
            card = {
                "model": parameters.model,
                "display_name": architecture.display_name,
                **{key: value for key, value in asdict(parameters).items() if key != "model"},
                "parameters": model.count_params(),
                "git_revision": git_revision(),
                "machine": describe_machine(),
                "layers": describe_layers(model),
                "versions": {name: version(name) for name in ("keras", "tensorflow", "tfx")},
                "export_id": uuid4().hex,
                "trained_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                **facts,
            }
            export_model(model, transform_output, card, converter, fn_args.serving_model_dir)
    distribution.wait_for_all()
    if distribution.is_chief and fileio.exists(checkpoint):
        fileio.rmtree(checkpoint)


def train_model(
    parameters: TrainingParameters,
    train: Split | Stream,
    evaluation: Split,
    checkpoint: str,
    log_dir: str,
    devices: list[str] | None = None,
    distribution: Distribution | None = None,
) -> tuple[keras.Model, dict[str, Any]]:
    """Trains a network.

    The loss is taken from logits (models/training/loss.py); the learning rate warms up over the first fifth of the
    steps and then falls as a cosine to zero (Goyal et al., 2017; Loshchilov and Hutter, SGDR, 2017).

    Args:
        parameters: what to train and how.
        train: examples to learn from.
        evaluation: examples for the validation figures and the temperature.
        checkpoint: folder that holds the state after each epoch; training goes on from what is there.
        log_dir: folder for TensorBoard's logs.
        devices: devices to mirror over; by default all visible GPUs, or the CPU where there is none.
        distribution: devices that were joined already, of several machines perhaps.

    Returns:
        The float32 network on the default device, and facts for its card: metrics, temperature, speed, devices.
    """
    distribution = distribution or join_devices(devices)
    keras.utils.set_random_seed(parameters.seed)
    # One program draws whole batches, which Keras divides; of several each draws those of its own replicas.
    parts = 1 if distribution.share is None else distribution.replicas
    batch_size = max(1, min(parameters.batch_size, train.size) // parts)
    # (a batch that a small training set makes smaller has fewer images beside it)
    outliers, drawn_digits = (
        number * batch_size // parameters.batch_size for number in (parameters.outliers, parameters.drawn_digits)
    )
    steps = train.size // (batch_size * parts)
    architecture = ARCHITECTURES[parameters.model]
    with _precision_for(distribution, parameters.mixed_precision), distribution.strategy.scope():
        model = architecture.build()
        schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            warmup_target=parameters.learning_rate,
            warmup_steps=int(_WARM_UP * steps * parameters.epochs),
            decay_steps=steps * parameters.epochs - int(_WARM_UP * steps * parameters.epochs),
        )
        model.compile(
            optimizer=_optimizer(schedule, parameters.weight_decay),
            loss=OutlierExposureLoss(),
            metrics=[DigitAccuracy()],
            steps_per_execution=_steps_per_execution(steps) if distribution.replicas < 2 else 1,
            jit_compile=_compiles(distribution, parameters.xla),
        )
    distribution.prepare(model, evaluation.images[:1], evaluation.labels[:1])
    validation = tf.data.Dataset.from_tensor_slices((evaluation.images, evaluation.labels)).batch(_EVAL_BATCH)
    progress = _Progress(parameters.epochs, steps, (batch_size + outliers + drawn_digits) * parts)
    callbacks = [progress]
    with _state_of(checkpoint, distribution) as state:
        first_epoch = _epochs_done(state)
        callbacks.insert(0, keras.callbacks.BackupAndRestore(state, delete_checkpoint=False))
        if distribution.is_chief:
            callbacks.insert(1, keras.callbacks.TensorBoard(log_dir, write_graph=False))
        start = time.monotonic()
        model.fit(
            distribution.distribute(
                lambda share: training_batches(
                    train,
                    batch_size,
                    parameters.epochs,
                    parameters.seed,
                    varied=parameters.augment,
                    outliers=outliers,
                    drawn_digits=drawn_digits,
                    first_epoch=first_epoch,
                    share=share,
                )
            ),
            epochs=parameters.epochs,
            steps_per_epoch=steps,
            validation_data=validation,
            callbacks=callbacks,
            verbose=0,
        )
        training_seconds = time.monotonic() - start
    plain = architecture.build()
    plain.set_weights(model.get_weights())
    logits = plain.predict(evaluation.images, batch_size=_EVAL_BATCH, verbose=0)
    labels = evaluation.labels.numpy()
    facts = {
        "metrics": {"eval_accuracy": float((logits.argmax(axis=1) == labels).mean())},
        "temperature": fit_temperature(logits, labels),
        "devices": distribution.devices,
        "images_per_second": progress.images_per_second,
        "training_seconds": training_seconds,
    }
    return plain, facts


def _optimizer(
    schedule: keras.optimizers.schedules.LearningRateSchedule, weight_decay: float
) -> keras.optimizers.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), from which biases are excepted."""
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _steps_per_execution(steps: int) -> int:
    """Steps that TensorFlow runs without coming back to Python: the greatest divisor up to 16 ends an epoch whole."""
    return max(number for number in range(1, 17) if steps % number == 0)


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Logs where training stands, twice a second at most, and measures its speed."""

    def __init__(self, epochs: int, steps: int, batch_size: int):
        super().__init__()
        self._epochs, self._steps, self._batch_size = epochs, steps, batch_size
        self._epoch = 0
        self._epoch_start = self._last = time.monotonic()
        self._step_seconds: list[float] = []

    @property
    def images_per_second(self) -> float | None:
        """Training speed in the median epoch, without validation; None where no epoch was run.

        Of two epochs the faster, because the first one contains tracing.
        """
        if not self._step_seconds:
            return None
        return self._steps * self._batch_size / statistics.median_low(self._step_seconds)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch, self._epoch_start = epoch, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        now = time.monotonic()
        if batch == self._steps - 1:
            self._step_seconds.append(now - self._epoch_start)
        elif now - self._last < 0.5:
            return
        self._last = now
        self._log(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
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


@contextmanager
def _precision_for(distribution: Distribution, wanted: bool | None) -> Iterator[None]:
    """Mixed precision while a network is built (Micikevicius et al., 2018), by default for GPUs; float32 elsewhere.

    On a CPU it is bfloat16, whose range needs no loss scaling and which recent CPUs compute.
    """
    before = keras.config.dtype_policy()
    if distribution.has_gpu if wanted is None else wanted:
        keras.config.set_dtype_policy("mixed_float16" if distribution.has_gpu else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _compiles(distribution: Distribution, wanted: bool | None) -> bool:
    """Whether XLA compiles the training step. On a CPU its convolutions are slower than oneDNN's."""
    return distribution.has_gpu and distribution.replicas == 1 if wanted is None else wanted


@contextmanager
def _state_of(checkpoint: str, distribution: Distribution) -> Iterator[str]:
    """The folder this program keeps its state in: the chief's is `checkpoint`, the others start from copies of it."""
    if distribution.is_chief:
        _epochs_done(checkpoint)  # removes what cannot be read
        distribution.wait_for_all()
        yield checkpoint
        return
    with tempfile.TemporaryDirectory() as folder:
        own = os.path.join(folder, "checkpoint")
        distribution.wait_for_all()
        if fileio.exists(checkpoint):  # (the chief cannot change it: no epoch ends before all have begun it)
            io_utils.copy_dir(checkpoint, own)
        yield own


def _checkpoint_folder(fn_args: FnArgs) -> str:
    """Where this very training keeps its state: the same for a re-run on the same inputs, different for any other."""
    inputs = [fn_args.custom_config, sorted(fn_args.train_files), fn_args.transform_output]
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    # model_run_dir is <Trainer>/model_run/<execution>; the folder lies beside `model_run`.
    return os.path.join(os.path.dirname(os.path.dirname(fn_args.model_run_dir)), "checkpoints", key)


def _epochs_done(checkpoint: str) -> int:
    """How many epochs the state in the folder has behind it; a folder without a readable state is removed."""
    path = os.path.join(checkpoint, "training_metadata.json")
    if fileio.exists(path):
        try:
            with fileio.open(path, "r") as file:
                return int(json.loads(file.read())["epoch"])
        except ValueError:
            logging.getLogger(PROGRESS_LOGGER).warning("%s is cut short: training starts anew", path)
    if fileio.exists(checkpoint):
        fileio.rmtree(checkpoint)
    return 0
