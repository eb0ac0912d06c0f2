"""Examples on disk to batches for training: read once, transformed once, kept in memory, shuffled exactly."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf
import tensorflow_transform as tft

from models.augmentation import augment
from models.features import IMAGE_KEY, LABEL_KEY

_READ_BATCH = 1024


@dataclass(frozen=True)
class Split:
    """A split in memory.

    Attributes:
        images: float32 [N, 32, 32, 1] in 0..1, transformed.
        labels: int64 [N].
    """

    images: tf.Tensor
    labels: tf.Tensor

    @property
    def size(self) -> int:
        """How many examples there are."""
        return int(self.labels.shape[0])


def load_split(patterns: list[str], transform_output: tft.TFTransformOutput) -> Split:
    """Reads gzipped TFRecord files and sends them through the transform graph.

    The order is that of the files, the same every time.
    """
    feature_spec = transform_output.raw_feature_spec()
    layer = transform_output.transform_features_layer()

    @tf.autograph.experimental.do_not_convert  # no Python control flow; converting would take seconds
    def transform(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        transformed = layer(tf.io.parse_example(records, feature_spec))
        return transformed[IMAGE_KEY], transformed[LABEL_KEY]

    files = tf.io.gfile.glob(patterns)
    dataset = (
        tf.data.TFRecordDataset(sorted(files), compression_type="GZIP", num_parallel_reads=tf.data.AUTOTUNE)
        .batch(_READ_BATCH)
        .map(transform, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    images, labels = zip(*dataset, strict=True)
    return Split(tf.concat(images, axis=0), tf.concat(labels, axis=0))


def training_batches(
    split: Split, batch_size: int, epochs: int, seed: int, *, varied: bool, first_epoch: int = 0
) -> tf.data.Dataset:
    """All batches from `first_epoch` on, (float32 [B, 32, 32, 1], int64 [B]).

    Each batch depends on the seed and its own number only, so a resumed training sees what an uninterrupted one would
    have seen. An epoch has `split.size // batch_size` batches, drawn from a fresh permutation of all examples.
    """
    steps = split.size // batch_size

    @tf.autograph.experimental.do_not_convert
    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch, number = step // steps, step % steps
        positions = number * batch_size + tf.range(batch_size, dtype=tf.int64)
        # A permutation that is evaluated only where it is needed.
        chosen = tf.random.experimental.index_shuffle(
            positions, tf.stack([tf.constant(seed, tf.int64), epoch]), split.size - 1
        )
        images = tf.gather(split.images, chosen)
        if varied:
            images = augment(images, tf.stack([tf.constant(seed, tf.int64), step]))
        return images, tf.gather(split.labels, chosen)

    return (
        tf.data.Dataset.range(first_epoch * steps, epochs * steps)
        .map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )
