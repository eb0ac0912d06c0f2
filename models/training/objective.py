"""Loss, optimizer and metric of training: cross-entropy on digits, the uniform distribution on everything else."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from models.features import NUM_CLASSES, OUTLIER
from models.recipe import Training
from models.training.distribution import Distribution

_WARM_UP = 0.2  # of all steps


def compile_model(model: keras.Model, training: Training, steps: int, distribution: Distribution) -> None:
    """Compiles a network with its loss, metric, optimizer and schedule; `steps` is per epoch.

    Adam with decoupled weight decay (Loshchilov and Hutter, 2019), except for biases.
    """
    recipe, total = training.recipe, steps * training.epochs
    warm_up = int(_WARM_UP * total)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=warm_up,
        decay_steps=total - warm_up,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(
        optimizer=optimizer,
        loss=OutlierExposureLoss(),
        metrics=[DigitAccuracy()],
        steps_per_execution=_steps_per_execution(steps) if distribution.replicas < 2 else 1,
        jit_compile=_compiles(distribution, training.execution.xla),
    )


def _steps_per_execution(steps: int) -> int:
    """Steps that TensorFlow runs between returns to Python: the greatest divisor up to 16, so an epoch ends exactly."""
    return max(number for number in range(1, 17) if steps % number == 0)


def _compiles(distribution: Distribution, wanted: bool | None) -> bool:
    """Whether XLA compiles the training step. On a CPU its convolutions are slower than oneDNN's."""
    return distribution.has_gpu and distribution.replicas == 1 if wanted is None else wanted


class OutlierExposureLoss(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy from logits; the target of outliers is the uniform distribution.

    Equation 1 of Hendrycks et al., Deep Anomaly Detection with Outlier Exposure (2019); every image weighs the same.
    Without outliers in the batch it is Keras's SparseCategoricalCrossentropy(from_logits=True).
    """

    def call(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Losses float32 [N] for labels [N] (0..9, or OUTLIER) and logits float32 [N, 10]."""
        labels = tf.cast(tf.reshape(labels, [-1]), tf.int32)
        uniform = tf.cast(labels == OUTLIER, tf.float32) / NUM_CLASSES
        targets = tf.one_hot(labels, NUM_CLASSES) + uniform[:, tf.newaxis]  # (one_hot(-1) is all zeros)
        return tf.nn.softmax_cross_entropy_with_logits(targets, logits)


class DigitAccuracy(keras.metrics.Mean):  # type: ignore[misc]
    """Accuracy on the digits of a batch; outliers have no right answer."""

    def __init__(self, name: str = "accuracy", **options: Any):
        super().__init__(name=name, **options)

    def update_state(self, labels: tf.Tensor, logits: tf.Tensor, sample_weight: Any = None) -> None:
        """Counts labels [N] (0..9, or OUTLIER) and logits float32 [N, 10]."""
        del sample_weight
        labels = tf.cast(tf.reshape(labels, [-1]), tf.int64)
        super().update_state(tf.argmax(logits, axis=-1) == labels, sample_weight=labels != OUTLIER)
