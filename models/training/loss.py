"""What training minimises and what it shows: cross-entropy on digits, doubt on everything else."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from models.features import NUM_CLASSES
from models.training.input_pipeline import OUTLIER


class OutlierExposureLoss(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy from logits, of which outliers have the uniform distribution as their target.

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
    """Share of right answers among the digits of a batch; outliers have no right answer."""

    def __init__(self, name: str = "accuracy", **options: Any):
        super().__init__(name=name, **options)

    def update_state(self, labels: tf.Tensor, logits: tf.Tensor, sample_weight: Any = None) -> None:
        """Counts labels [N] (0..9, or OUTLIER) and logits float32 [N, 10]."""
        del sample_weight
        labels = tf.cast(tf.reshape(labels, [-1]), tf.int64)
        super().update_state(tf.argmax(logits, axis=-1) == labels, sample_weight=labels != OUTLIER)
