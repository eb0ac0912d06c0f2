"""A training split too large for memory: read again in each epoch, and shuffled within a window that fits in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from models.features import INPUT_SIZE

_OPEN_FILES = 16
_RECORD_OVERHEAD = 128
"""Overhead of a record in tf.data's shuffle buffer, in bytes: tensor, its buffer and the string's header."""


@dataclass(frozen=True)
class Stream:
    """A split on disk."""

    files: tuple[str, ...]  # gzipped TFRecord files
    size: int  # number of examples in them
    window: int  # number of examples shuffled together
    # serialised tf.Examples, string [N], to (float32 [N, 32, 32, 1] in 0..1, int64 [N])
    transform: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

    def head(self, count: int) -> tf.Tensor:
        """The first images, float32 [N, 32, 32, 1], at most `count` of the first file."""
        records = tf.data.TFRecordDataset(self.files[0], compression_type="GZIP").batch(count)
        return self.transform(next(iter(records)))[0]

    def batches(
        self, batch_size: int, per_epoch: int, epochs: int, seed: int, first_epoch: int, worker: int, workers: int
    ) -> tf.data.Dataset:
        """(float32 [batch_size, 32, 32, 1], int64 [batch_size]), `per_epoch` for each epoch from `first_epoch` on.

        Each epoch reads the files in a new order, several in parallel, and shuffles the records within the window; a
        record takes a tenth of an image's memory. The order depends only on the seed and the epoch, so a resumed
        training sees the same examples. Several workers share the files, or if there are fewer files than workers, the
        examples.
        """
        paths = tf.constant(self.files)
        by_file = len(self.files) >= workers

        def records(epoch: tf.Tensor) -> tf.data.Dataset:
            draws = tf.stack([tf.constant(seed, tf.int64), epoch])
            order = tf.random.experimental.index_shuffle(
                tf.range(len(self.files), dtype=tf.int64), draws, len(self.files) - 1
            )
            files = tf.data.Dataset.from_tensor_slices(tf.gather(paths, order))
            found = (files.shard(workers, worker) if by_file else files).interleave(
                lambda path: tf.data.TFRecordDataset(path, compression_type="GZIP"),
                cycle_length=min(_OPEN_FILES, len(self.files)),
                block_length=batch_size,
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            )
            return (
                (found if by_file else found.shard(workers, worker))
                .shuffle(self.window, seed=seed + epoch, reshuffle_each_iteration=False)
                .batch(batch_size, drop_remainder=True)
                .repeat()  # a worker with slightly fewer examples than the others sees some of them twice
                .take(per_epoch)
            )

        @tf.autograph.experimental.do_not_convert
        def transform(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images, labels = self.transform(records)  # (the transform graph does not set their shapes)
            shape = [batch_size, INPUT_SIZE, INPUT_SIZE, 1]
            return tf.ensure_shape(images, shape), tf.ensure_shape(labels, shape[:1])

        return (
            tf.data.Dataset.range(first_epoch, epochs)
            .flat_map(records)
            .map(transform, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        )


def open_stream(files: list[str], transform: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]], memory: int) -> Stream:
    """Counts the examples in gzipped TFRecord files, and chooses the largest window that fits in `memory` bytes."""
    examples, size = count_examples(files)
    window = memory // (size // examples + _RECORD_OVERHEAD)
    return Stream(tuple(files), examples, max(1, min(window, examples)), transform)


def count_examples(files: list[str]) -> tuple[int, int]:
    """Number of records in gzipped TFRecord files, and their bytes."""

    def measure(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.size(records, tf.int64), tf.reduce_sum(tf.cast(tf.strings.length(records), tf.int64))

    nothing = (tf.constant(0, tf.int64), tf.constant(0, tf.int64))
    count, size = (
        tf.data.TFRecordDataset(files, compression_type="GZIP", num_parallel_reads=_OPEN_FILES)
        .batch(1024)
        .map(measure, num_parallel_calls=tf.data.AUTOTUNE)
        .reduce(nothing, lambda total, more: (total[0] + more[0], total[1] + more[1]))
    )
    return int(count), int(size)
