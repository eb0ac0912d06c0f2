"""The Trainer's entry point: builds, trains and exports a network. A killed training resumes after its last epoch."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.dsl.io import fileio

from models.export.calibration import choose_threshold, fit_temperature
from models.export.card import describe_layers, describe_machine, git_revision
from models.export.litert import LitertConverter
from models.export.saved_model import export_model
from models.features import USERS_TRAIN
from models.preprocessing import preprocess_images
from models.recipe import Training
from models.registry import ARCHITECTURES
from models.synthesis.outliers import make_outliers
from models.training.checkpoint import Checkpoint, open_state, state_folder
from models.training.distribution import Distribution, join_devices
from models.training.input_pipeline import Split, load_or_stream, load_split, training_batches
from models.training.objective import compile_model
from models.training.progress import Progress, StopAtNaN
from models.training.streaming import Stream

_EVAL_BATCH = 500
_OUTLIERS = 1000  # non-digit images for choosing the threshold
_MOST_REPEATS = 60  # how often an epoch shows each of the users' digits: more would overfit a few digits
_OUTLIER_SEED = 2**31  # differs from every training's seed


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports; see TFX's Trainer guide for the attributes of `fn_args`.

    In a cluster (TF_CONFIG) every program calls this with the same arguments, on a shared file system. The chief
    exports and saves the state; the others return when the export exists.
    """
    distribution = join_devices()  # first: a process can join a cluster only before it uses TensorFlow
    training = Training.from_config(fn_args.custom_config)
    with ExitStack() as stack:
        converter = stack.enter_context(LitertConverter()) if distribution.is_chief else None
        transform_output = tft.TFTransformOutput(fn_args.transform_output)
        of_users = [pattern for pattern in fn_args.train_files if f"Split-{USERS_TRAIN}/" in pattern]
        of_mnist = [pattern for pattern in fn_args.train_files if pattern not in of_users]
        train = load_or_stream(of_mnist, transform_output, training.execution.memory_mib * 2**20)
        users = load_split(of_users, transform_output) if of_users else None
        evaluation = load_split(fn_args.eval_files, transform_output)

        checkpoint = state_folder(fn_args)
        model, facts = train_model(
            training, train, evaluation, checkpoint, fn_args.model_run_dir, distribution=distribution, users=users
        )
        if converter is not None:
            architecture = ARCHITECTURES[training.model]
            card = {
                "display_name": architecture.display_name,
                **training.to_config(),
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
    training: Training,
    train: Split | Stream,
    evaluation: Split,
    checkpoint: str,
    log_dir: str,
    devices: list[str] | None = None,
    distribution: Distribution | None = None,
    users: Split | None = None,
) -> tuple[keras.Model, dict[str, Any]]:
    """Trains a network.

    The loss takes logits (models/training/objective.py). The learning rate warms up over the first fifth of the steps,
    then follows a cosine to zero (Goyal et al., 2017; Loshchilov and Hutter, SGDR, 2017).

    Args:
        training: what to train and how.
        train: examples to learn from.
        evaluation: examples for the validation figures and the temperature.
        checkpoint: folder of the state after each epoch; training resumes from it.
        log_dir: folder for TensorBoard's logs.
        devices: devices to mirror over; by default all visible GPUs, or the CPU if there is none.
        distribution: devices that were already joined, possibly of several machines.
        users: users' contributions, drawn for each batch; None for none.

    Returns:
        The float32 network on the default device, and facts for its card: metrics, temperature, speed, devices.
    """
    recipe = training.recipe
    distribution = distribution or join_devices(devices)
    keras.utils.set_random_seed(training.seed)
    # A single program draws whole batches, which Keras divides; in a cluster each draws those of its own replicas.
    parts = 1 if distribution.share is None else distribution.replicas
    batch_size = max(1, min(recipe.batch_size, train.size) // parts)
    # (a small training set makes smaller batches; these get proportionally fewer added images)
    outliers, drawn_digits = (
        number * batch_size // recipe.batch_size for number in (recipe.outliers, recipe.drawn_digits)
    )
    steps = train.size // (batch_size * parts)
    user_digits = 0
    if users is not None:
        most = math.ceil(_MOST_REPEATS * users.size / (steps * parts))
        user_digits = min(recipe.user_digits * batch_size // recipe.batch_size, most)
    architecture = ARCHITECTURES[training.model]
    with _precision_for(distribution, training.execution.mixed_precision), distribution.strategy.scope():
        model = architecture.build()
        compile_model(model, training, steps, distribution)
    distribution.prepare(model, evaluation.images[:1], evaluation.labels[:1])
    progress = Progress(training.epochs, steps, (batch_size + outliers + drawn_digits + user_digits) * parts)
    with open_state(checkpoint, distribution) as folder:
        state = Checkpoint(folder)
        batches = functools.partial(
            training_batches,
            train,
            batch_size,
            training.epochs,
            training.seed,
            varied=recipe.augment,
            outliers=outliers,
            drawn_digits=drawn_digits,
            users=users,
            user_digits=user_digits,
            first_epoch=state.epochs_done,
        )
        model.fit(
            distribution.distribute(lambda share: batches(share=share)),
            epochs=training.epochs,
            initial_epoch=state.epochs_done,
            steps_per_epoch=steps,
            validation_data=tf.data.Dataset.from_tensor_slices((evaluation.images, evaluation.labels)).batch(
                _EVAL_BATCH
            ),
            callbacks=[
                state,
                *([keras.callbacks.TensorBoard(log_dir, write_graph=False)] if distribution.is_chief else []),
                StopAtNaN(recipe.learning_rate),
                progress,
            ],
            verbose=0,
        )
        seconds = state.seconds
    plain = architecture.build()
    plain.set_weights(model.get_weights())
    facts = {
        **_measure(plain, evaluation),
        "devices": distribution.devices,
        "images_per_second": progress.images_per_second,
        "training_seconds": seconds,
    }
    return plain, facts


def _measure(model: keras.Model, evaluation: Split) -> dict[str, Any]:
    """Metrics for the model card: validation accuracy, the calibration temperature, and the threshold for an answer."""
    logits = model.predict(evaluation.images, batch_size=_EVAL_BATCH, verbose=0)
    labels = evaluation.labels.numpy()
    outliers = preprocess_images(make_outliers(_OUTLIERS, _OUTLIER_SEED)[..., tf.newaxis])
    doubtful = model.predict(outliers, batch_size=_EVAL_BATCH, verbose=0)
    temperature = fit_temperature(logits, labels)
    digits, others = (tf.nn.softmax(values / temperature).numpy() for values in (logits, doubtful))
    return {
        "metrics": {"eval_accuracy": float((logits.argmax(axis=1) == labels).mean())},
        "temperature": temperature,
        "sure": choose_threshold(digits, labels, others),
    }


@contextmanager
def _precision_for(distribution: Distribution, wanted: bool | None) -> Iterator[None]:
    """Mixed precision while a network is built (Micikevicius et al., 2018), by default if it is faster.

    On a CPU it is bfloat16: recent CPUs support it, and its range needs no loss scaling.
    """
    before = keras.config.dtype_policy()
    if distribution.is_fast_in_16_bits if wanted is None else wanted:
        keras.config.set_dtype_policy("mixed_float16" if distribution.has_gpu else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
