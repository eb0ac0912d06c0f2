"""Examples on disk to batches for training: read once, transformed once, kept in memory, shuffled exactly."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf
import tensorflow_transform as tft

from models.augmentation import augment
from models.features import IMAGE_KEY, LABEL_KEY
from models.outliers import make_outliers
from models.preprocessing import preprocess_images

OUTLIER = -1
"""Label of an image that is no digit."""

_READ_BATCH = 1024
_MOST_OUTLIERS = 4000


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


def load_outliers(count: int, seed: int) -> Split:
    """Makes at most `count` images that are no digits, with the label OUTLIER."""
    images = preprocess_images(make_outliers(min(count, _MOST_OUTLIERS), seed)[..., tf.newaxis])
    return Split(images, tf.fill([len(images)], tf.constant(OUTLIER, tf.int64)))


def training_batches(
    split: Split,
    batch_size: int,
    epochs: int,
    seed: int,
    *,
    varied: bool,
    outliers: int = 0,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """All batches from `first_epoch` on, (float32 [B, 32, 32, 1], int64 [B]), B = batch_size + outliers.

    Each batch depends on the seed and its own number only, so a resumed training sees what an uninterrupted one would
    have seen. An epoch has `split.size // batch_size` batches, drawn from a fresh permutation of all examples.
    """
    steps = split.size // batch_size
    others = load_outliers(outliers * steps, seed) if outliers else None

    def draw(source: Split, start: tf.Tensor, number: int, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Examples `start` to `start + number` of a permutation that is evaluated only where it is needed."""
        positions = (start + tf.range(number, dtype=tf.int64)) % source.size
        chosen = tf.random.experimental.index_shuffle(positions, draws, source.size - 1)
        return tf.gather(source.images, chosen), tf.gather(source.labels, chosen)

    @tf.autograph.experimental.do_not_convert
    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch, number = step // steps, step % steps
        images, labels = draw(split, number * batch_size, batch_size, tf.stack([tf.constant(seed, tf.int64), epoch]))
        if others:
            odd, marks = draw(others, number * outliers, outliers, tf.stack([tf.constant(seed, tf.int64), -epoch - 1]))
            images, labels = tf.concat([images, odd], axis=0), tf.concat([labels, marks], axis=0)
        if varied:
            images = augment(images, tf.stack([tf.constant(seed, tf.int64), step]))
        return images, labels

    return (
        tf.data.Dataset.range(first_epoch * steps, epochs * steps)
        .map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )
