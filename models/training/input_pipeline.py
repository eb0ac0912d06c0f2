"""Examples on disk to batches for training: read once, transformed once, kept in memory, shuffled exactly.

A split that exceeds the memory limit is streamed instead (models/training/streaming.py).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from models.features import IMAGE_KEY, INPUT_SIZE, LABEL_KEY, OUTLIER
from models.preprocessing import preprocess_images, restore_images
from models.synthesis.augmentation import augment
from models.synthesis.drawn_digits import make_drawn_digits
from models.synthesis.outliers import make_outliers
from models.synthesis.wrong_cuts import make_wrong_cuts
from models.training.streaming import Stream, count_examples, open_stream

_READ_BATCH = 1024
_IMAGE_BYTES = 4 * INPUT_SIZE**2
_ALIGNMENT = 64  # bytes; EIGEN_MAX_ALIGN_BYTES of TensorFlow's builds
_MOST_DRAWN = 8000  # of each kind: drawing more takes longer than it is worth
_WRONG_CUTS = 0.4  # share of the outliers
_DIGITS_CUT = 4000  # source of the wrong cuts


@dataclass(frozen=True)
class Split:
    """A split in memory."""

    images: tf.Tensor  # float32 [N, 32, 32, 1] in 0..1, transformed
    labels: tf.Tensor  # int64 [N]

    @property
    def size(self) -> int:
        """Number of examples."""
        return int(self.labels.shape[0])


@dataclass(frozen=True)
class Share:
    """Which part of each step's examples a program draws when several programs train one network."""

    first: int = 0  # index of its first replica among all
    here: int = 1  # number of its replicas; consecutive batches go to consecutive replicas
    total: int = 1  # number of replicas in all programs


def load_split(patterns: list[str], transform_output: tft.TFTransformOutput) -> Split:
    """Reads gzipped TFRecord files and applies the transform graph.

    The examples keep the files' order.
    """
    split = _load(patterns, transform_output, None)
    assert isinstance(split, Split)  # (memory is not limited)
    return split


def load_or_stream(patterns: list[str], transform_output: tft.TFTransformOutput, memory: int) -> Split | Stream:
    """Loads a split whose images take at most `memory` bytes; streams a larger one."""
    return _load(patterns, transform_output, memory)


def _load(patterns: list[str], transform_output: tft.TFTransformOutput, memory: int | None) -> Split | Stream:
    feature_spec = transform_output.raw_feature_spec()
    layer = transform_output.transform_features_layer()

    @tf.autograph.experimental.do_not_convert  # no Python control flow; converting would take seconds
    def transform(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        transformed = layer(tf.io.parse_example(records, feature_spec))
        return transformed[IMAGE_KEY], transformed[LABEL_KEY]

    files = sorted(tf.io.gfile.glob(patterns))
    dataset = (
        tf.data.TFRecordDataset(files, compression_type="GZIP", num_parallel_reads=tf.data.AUTOTUNE)
        .batch(_READ_BATCH)
        .map(transform, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(2)  # AUTOTUNE may buffer as much as all images take
    )
    images = _reserve(memory // _IMAGE_BYTES if memory is not None else count_examples(files)[0])
    labels: list[tf.Tensor] = []
    size = 0
    for batch, marks in dataset:
        start, size = size, size + len(marks)
        if memory is not None and size > len(images):
            return open_stream(files, transform, memory)
        images[start:size] = batch
        labels.append(marks)
    return Split(tf.experimental.dlpack.from_dlpack(images[:size].__dlpack__()), tf.concat(labels, axis=0))


def _reserve(count: int) -> npt.NDArray[np.float32]:
    """An array for images, float32 [count, 32, 32, 1], that takes memory only as it is filled.

    It is aligned as TensorFlow requires, so a tensor can share its memory.
    """
    room = np.empty(count * _IMAGE_BYTES + _ALIGNMENT, np.uint8)
    first = -room.ctypes.data % _ALIGNMENT
    return room[first : first + count * _IMAGE_BYTES].view(np.float32).reshape(count, INPUT_SIZE, INPUT_SIZE, 1)


def load_outliers(split: Split | Stream, count: int, seed: int) -> Split:
    """Makes at most `count` non-digit images, labelled OUTLIER; some are wrong cuts of the split's first digits."""
    count = min(count, _MOST_DRAWN)
    images = split.images[:_DIGITS_CUT] if isinstance(split, Split) else split.head(_DIGITS_CUT)
    cuts = make_wrong_cuts(restore_images(images).numpy()[..., 0], int(_WRONG_CUTS * count), seed)
    drawn = preprocess_images(np.concatenate([make_outliers(count - len(cuts), seed), cuts])[..., tf.newaxis])
    return Split(drawn, tf.fill([len(drawn)], tf.constant(OUTLIER, tf.int64)))


def load_drawn_digits(count: int, seed: int) -> Split:
    """Makes at most `count` digits in forms that are rare in MNIST."""
    images, labels = make_drawn_digits(min(count, _MOST_DRAWN), seed)
    return Split(preprocess_images(images[..., tf.newaxis]), tf.constant(labels))


def training_batches(
    split: Split | Stream,
    batch_size: int,
    epochs: int,
    seed: int,
    *,
    varied: bool,
    outliers: int = 0,
    drawn_digits: int = 0,
    users: Split | None = None,
    user_digits: int = 0,
    first_epoch: int = 0,
    share: Share = Share(),
) -> tf.data.Dataset:
    """All batches from `first_epoch` on: float32 [B, 32, 32, 1], int64 [B]; B = batch_size + outliers + drawn_digits
    + user_digits.

    Each batch depends only on the seed and its number, so a resumed training sees the same batches as an uninterrupted
    one. An epoch has `split.size // (batch_size * share.total)` steps, drawn from a new permutation of all examples (a
    Stream is shuffled within its window). Each step has one batch per replica. Several programs draw from the same
    permutation: together they see what one program would see with batches of the total size.
    """
    steps = split.size // (batch_size * share.total)
    beside = [
        (number, load(number * steps * share.total, seed))
        for number, load in (
            (outliers, functools.partial(load_outliers, split)),
            (drawn_digits, load_drawn_digits),
        )
        if number
    ]
    if users is not None and user_digits:
        beside.append((user_digits, users))

    def numbers(element: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Epoch of a batch, and its index in the epoch."""
        step, replica = element // share.here, element % share.here + share.first
        return step // steps, step % steps * share.total + replica

    def draw(source: Split, start: tf.Tensor, number: int, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Examples `start` to `start + number` of a permutation, which is evaluated lazily."""
        positions = (start + tf.range(number, dtype=tf.int64)) % source.size
        chosen = tf.random.experimental.index_shuffle(positions, draws, source.size - 1)
        return tf.gather(source.images, chosen), tf.gather(source.labels, chosen)

    def digits(element: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        assert isinstance(split, Split)  # a Stream is already batched
        epoch, number = numbers(element)
        return draw(split, number * batch_size, batch_size, tf.stack([tf.constant(seed, tf.int64), epoch]))

    def complete(element: tf.Tensor, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Adds outliers and drawn digits, and augments the batch."""
        epoch, number = numbers(element)
        permutation = tf.stack([tf.constant(seed, tf.int64), -epoch - 1])
        for count, drawn in beside:
            more, marks = draw(drawn, number * count, count, permutation)
            images, labels = tf.concat([images, more], axis=0), tf.concat([labels, marks], axis=0)
        if varied:
            draws = epoch * steps * share.total + number
            images = augment(images, tf.stack([tf.constant(seed, tf.int64), draws]))
        return images, labels

    elements = tf.data.Dataset.range(first_epoch * steps * share.here, epochs * steps * share.here)
    if isinstance(split, Stream):
        workers = share.total // share.here
        streamed = split.batches(
            batch_size, steps * share.here, epochs, seed, first_epoch, share.first // share.here, workers
        )
        batches = tf.data.Dataset.zip((elements, streamed)).map(
            tf.autograph.experimental.do_not_convert(lambda element, batch: complete(element, *batch)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    else:
        batches = elements.map(
            tf.autograph.experimental.do_not_convert(lambda element: complete(element, *digits(element))),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False  # they copy the images that `draw` refers to
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)
