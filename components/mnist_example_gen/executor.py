"""Reads MNIST's IDX files with Beam. The files are streamed: memory does not grow with the data."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow as tf
from google.protobuf import json_format, struct_pb2
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx_bsl.coders.example_coder import RecordBatchToExamples

from compat.tfx import BaseBeamExecutor, artifact_utils, examples_utils, proto_utils, standard_component_specs
from components.mnist_example_gen.idx import IMAGES_MAGIC, LABELS_MAGIC, IdxFormatError, IdxReader
from models.features import IMAGE_KEY, LABEL_KEY, NUM_CLASSES, OUTLIER, RAW_SIZE
from serving_bot.feedback.contribution import FeedbackError
from serving_bot.feedback.snapshot import SNAPSHOT_FILE, Example, Snapshot, take_snapshot
from serving_bot.feedback.store import Store

_SHARD = 5000  # examples per file, and in memory at a time
_LABELS_HEADER = 8  # bytes
_SOURCE_FILE = "source.json"
_CHUNK = 2**20  # bytes

FINGERPRINT_PROPERTY = "input_fingerprint"  # TFX's name for it
MAX_EVAL_SHARE = 6  # at most one in 6 training images is held out, so small sets keep most of theirs


class MissingDataError(FileNotFoundError):
    """The data folder lacks one of the four files."""


class SourceFileError(ValueError):
    """The data folder's source.json cannot be read."""


@dataclass(frozen=True)
class Part:
    """A range of the images of one pair of files."""

    images_path: str
    labels_path: str
    start: int
    stop: int


class Executor(BaseBeamExecutor):  # type: ignore[misc]
    """Writes the splits, and records their source and sizes on the artifact."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes each split as gzipped TFRecord shards, in the order of the files.

        TFX's BaseExampleGenExecutor is not used: it writes image by image, shuffled in an order that no seed
        reproduces. The Trainer shuffles.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        data = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        custom = _custom_config(exec_properties)
        parts = find_parts(data, int(custom["eval_size"]))
        users = take_users(custom["feedback"]) if "feedback" in custom else Snapshot(())
        of_users = {name: chosen for name, chosen in users.splits().items() if chosen}
        examples.split_names = artifact_utils.encode_split_names([*parts, *of_users])
        with self._make_beam_pipeline() as pipeline:
            for name, part in parts.items():
                folder = artifact_utils.get_split_uri([examples], name)
                fileio.makedirs(folder)
                pipeline | f"Write[{name}]" >> WriteExamples(part, folder)
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, "tfrecords_gzip")
        sizes = {name: part.stop - part.start for name, part in parts.items()}
        if of_users:
            sizes |= {name: len(chosen) for name, chosen in of_users.items()}
            write_users(examples, users, of_users)
        examples.set_string_custom_property("split_sizes", json.dumps(sizes))
        examples.set_string_custom_property("source", _source(data))
        examples.set_string_custom_property(FINGERPRINT_PROPERTY, fingerprint(data))  # on Vertex AI it replaces TFX's


def take_users(feedback: dict[str, Any]) -> Snapshot:
    """The bot's users' contributions.

    Raises:
        FeedbackError: the folder cannot be read, or has changed since the run started; or, for a run that takes what
            is accepted now, nothing is accepted for training or for evaluation.
    """
    snapshot = take_snapshot(Store(feedback["folder"]).entries(), int(feedback["trust"]))
    if not feedback["digest"]:
        missing = [name for name, chosen in snapshot.splits().items() if not chosen]
        if missing:
            raise FeedbackError(f"{feedback['folder']} has nothing accepted for the split {missing[0]} yet.")
        return snapshot
    if snapshot.digest != feedback["digest"]:
        raise FeedbackError(f"{feedback['folder']} has changed since this run started. Run the same command again.")
    return snapshot


def write_users(examples: Any, users: Snapshot, splits: dict[str, list[Example]]) -> None:
    """Writes the splits of users' examples, and records their snapshot on the artifact."""
    for name, chosen in splits.items():
        folder = artifact_utils.get_split_uri([examples], name)
        fileio.makedirs(folder)
        labels = np.array([OUTLIER if one.digit is None else one.digit for one in chosen], np.int64)
        write_shard(folder, 0, 1, np.stack([one.image for one in chosen]), labels)
    members = {"ids": [one.id for one in users.examples], "contributors": users.contributors}
    counts = {name: len(chosen) for name, chosen in splits.items()}
    facts = {"digest": users.digest, **counts, "contributors": len(users.contributors)}
    examples.set_string_custom_property("feedback", json.dumps(facts))
    with fileio.open(os.path.join(examples.uri, SNAPSHOT_FILE), "w") as file:
        file.write(json.dumps(members) + "\n")


@beam.ptransform_fn
def WriteExamples(pipeline: beam.Pipeline, part: Part, folder: str) -> beam.PCollection:  # noqa: N802 (Beam's form)
    """Reads a part and writes it to `folder`, one shard per batch.

    The workers share the shards of uncompressed files; one worker reads a compressed file from its start. Workers
    exchange file positions, not images: the in-memory runner would hold them all in memory.
    """
    shards = math.ceil(part.stop / _SHARD) - part.start // _SHARD
    return (
        pipeline
        | beam.Create(split_part(part))
        | beam.Reshuffle()
        | "Read" >> beam.FlatMapTuple(lambda shard, piece: enumerate(read_batches(piece), shard))
        | "Encode" >> beam.MapTuple(lambda shard, batch: write_shard(folder, shard, shards, *batch))
    )


def split_part(part: Part) -> list[tuple[int, Part]]:
    """Splits a part into (shard number, piece); a compressed part is one piece, which starts at shard 0."""
    with open_pair(part.images_path, part.labels_path) as (images, labels):
        if images.is_gzip or labels.is_gzip:
            return [(0, part)]
    first = part.start // _SHARD
    borders = [part.start, *range((first + 1) * _SHARD, part.stop, _SHARD), part.stop]
    return [(number, replace(part, start=a, stop=b)) for number, (a, b) in enumerate(itertools.pairwise(borders))]


def write_shard(
    folder: str, shard: int, shards: int, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer[Any]]
) -> None:
    """Writes one TFRecord file; a retry overwrites it with the same examples."""
    path = os.path.join(folder, f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz")
    # (PNG is already compressed; TFX's readers expect gzip)
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    with tf.io.TFRecordWriter(path, options) as writer:
        for example in encode_examples(images, labels):
            writer.write(example)


def read_batches(part: Part) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    """Yields (images uint8 [n, 28, 28], labels uint8 [n]) of the part in order, n at most 5,000.

    Raises:
        IdxFormatError: either file is damaged (for a compressed file, also outside the part), or a label is outside
            0..9.
    """
    with open_pair(part.images_path, part.labels_path) as (images, labels):
        seekable = not (images.is_gzip or labels.is_gzip)
        position, stop = (part.start // _SHARD * _SHARD, part.stop) if seekable else (0, images.count)
        batches = (reader.batches(_SHARD, position, stop) for reader in (images, labels))
        for image_batch, label_batch in zip(*batches, strict=True):
            wrong = np.flatnonzero(label_batch >= NUM_CLASSES)
            if wrong.size:
                offset = _LABELS_HEADER + position + int(wrong[0])
                raise IdxFormatError(part.labels_path, offset, f"label {label_batch[wrong[0]]} is outside 0..9")
            keep = slice(max(part.start - position, 0), max(part.stop - position, 0))
            position += len(label_batch)
            if len(label_batch[keep]):
                yield image_batch[keep], label_batch[keep]


def encode_examples(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer[Any]]) -> list[bytes]:
    """Serialises images uint8 [n, 28, 28] and labels [n], integers, as n tf.Examples."""
    each_one = pa.array(np.arange(len(labels) + 1))  # every feature is a list of one value
    columns = {
        IMAGE_KEY: pa.array(encode_pngs(images), pa.large_binary()),
        LABEL_KEY: pa.array(labels, pa.int64()),
    }
    lists = [pa.LargeListArray.from_arrays(each_one, values) for values in columns.values()]
    return list(RecordBatchToExamples(pa.RecordBatch.from_arrays(lists, list(columns))))


def encode_pngs(images: npt.NDArray[np.uint8]) -> list[bytes]:
    """Encodes images uint8 [n, 28, 28] as PNG, for their tf.Examples."""
    return list(tf.io.encode_png(images[..., np.newaxis], compression=1).numpy())


@contextlib.contextmanager
def open_pair(images_path: str, labels_path: str) -> Iterator[tuple[IdxReader, IdxReader]]:
    """Opens an images file and its labels file, and checks that their headers match."""
    with fileio.open(images_path, "rb") as images_file, fileio.open(labels_path, "rb") as labels_file:
        images = IdxReader(images_file, images_path, IMAGES_MAGIC)
        labels = IdxReader(labels_file, labels_path, LABELS_MAGIC)
        if images.shape != (RAW_SIZE, RAW_SIZE):
            raise IdxFormatError(
                images_path, 8, f"images of {images.shape[0]}×{images.shape[1]} pixels, expected 28×28"
            )
        if images.count != labels.count:
            raise IdxFormatError(
                labels_path, 4, f"the file has labels for {labels.count} images, {images_path} has {images.count}"
            )
        yield images, labels


def _custom_config(exec_properties: dict[str, Any]) -> dict[str, Any]:
    """MnistExampleGen's parameters besides the folder."""
    config = proto_utils.json_to_proto(
        exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], example_gen_pb2.CustomConfig()
    )
    values = struct_pb2.Struct()
    config.custom_config.Unpack(values)
    plain: dict[str, Any] = json_format.MessageToDict(values)
    return plain


def find_parts(folder: str, eval_size: int) -> dict[str, Part]:
    """The splits of a data folder by name; `eval` is the last `eval_size` training images, at most a sixth.

    Raises:
        IdxFormatError: the header of a file is wrong.
        MissingDataError: one of the four files is missing, or there are too few images.
    """
    train, test = _find_pair(folder, "train"), _find_pair(folder, "t10k")
    with open_pair(*train) as (images, _):
        count = images.count
    with open_pair(*test) as (images, _):
        test_count = images.count
    held_out = min(eval_size, count // MAX_EVAL_SHARE)
    if held_out < 1 or test_count < 1:
        least = f"at least {MAX_EVAL_SHARE} and 1 are needed"
        raise MissingDataError(f"{folder}: too few images, {count} for training and {test_count} for testing; {least}")
    border = count - held_out
    return {
        "train": Part(*train, 0, border),
        "eval": Part(*train, border, count),
        "test": Part(*test, 0, test_count),
    }


def _find_pair(folder: str, prefix: str) -> tuple[str, str]:
    found = []
    for kind in ("images-idx3", "labels-idx1"):
        plain = os.path.join(folder, f"{prefix}-{kind}-ubyte")
        path = next((path for path in (plain, f"{plain}.gz") if fileio.exists(path)), None)
        if path is None:
            raise MissingDataError(f"no {plain}[.gz]: `digits data --dest {folder}` makes the four MNIST files")
        found.append(path)
    return found[0], found[1]


def fingerprint(folder: str) -> str:
    """Hexadecimal SHA-256 of the names and contents of a data folder's four files: a copy has the same fingerprint.

    Raises:
        MissingDataError: a file is missing.
    """
    digest = hashlib.sha256()
    for path in (*_find_pair(folder, "train"), *_find_pair(folder, "t10k")):
        digest.update(os.path.basename(path).encode() + b"\0")
        with fileio.open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _source(folder: str) -> str:
    """The files' source as `digits data` recorded it; "user" for other folders."""
    path = os.path.join(folder, _SOURCE_FILE)
    if not fileio.exists(path):
        return "user"
    try:
        with fileio.open(path, "rb") as file:
            return str(json.loads(file.read())["source"])
    except (ValueError, KeyError, TypeError) as error:
        raise SourceFileError(
            f"{path} is not what `digits data` writes ({error}): remove it to use the data as your own, or run "
            f"`digits data --dest {folder}` to write it again"
        ) from error
