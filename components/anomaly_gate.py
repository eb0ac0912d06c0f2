"""AnomalyGate: stops the run if the data has anomalies, which ExampleValidator only records.

Besides the anomalies that TensorFlow Data Validation finds with the schema, it checks what a schema cannot express:
digits missing from a split, and transposed or inverted images.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import Artifact, standard_artifacts

from compat.tfx import artifact_utils, io_utils
from components.examples import FEATURES, open_split
from models.features import CLASS_NAMES, IMAGE_KEY, LABEL_KEY, NUM_CLASSES, USERS, USERS_TRAIN
from models.preprocessing import decode_images

LEAST_SHARE = 0.01
"""A digit with a smaller share of a split is too rare: a tenth of its share if all ten were equally frequent."""

SAMPLE = 1000  # images checked in each split
FEWEST_ONES = 5  # ones needed in the sample to detect transposed images
_READ_BATCH = 1024


class AnomaliesFoundError(RuntimeError):
    """The data has anomalies; the message lists them split by split."""


@component
def AnomalyGate(  # noqa: N802
    anomalies: InputArtifact[standard_artifacts.ExampleAnomalies],
    examples: InputArtifact[standard_artifacts.Examples],
) -> None:
    """Raises AnomaliesFoundError unless every split is free of anomalies."""
    check_anomalies(anomalies)
    check_examples(examples)


def check_anomalies(anomalies: Artifact) -> None:
    """Raises AnomaliesFoundError if ExampleValidator's artifact holds an anomaly."""
    found = [
        f"split {split}, feature {feature or '(dataset)'}: {info.short_description}: {info.description}"
        for split in artifact_utils.decode_split_names(anomalies.split_names)
        for feature, info in _read(anomalies, split)
    ]
    _stop_at("the data does not match pipeline/schema.pbtxt", found)


def check_examples(examples: Artifact) -> None:
    """Raises AnomaliesFoundError if `find_anomalies` finds one in a split of MnistExampleGen's artifact."""
    found = []
    for split in artifact_utils.decode_split_names(examples.split_names):
        batches = (
            open_split(examples, split).batch(_READ_BATCH).map(lambda records: tf.io.parse_example(records, FEATURES))
        )
        pngs: list[bytes] = []
        labels = []
        for batch in batches.as_numpy_iterator():
            pngs += batch[IMAGE_KEY][: SAMPLE - len(pngs)].tolist()
            labels.append(batch[LABEL_KEY])
        if not pngs:
            found.append(f"split {split}: no examples")
            continue
        if split in (USERS_TRAIN, USERS):
            continue  # a few contributions may lack digits, and the reader cropped them
        images = decode_images(tf.constant(pngs)).numpy()[..., 0]
        found += [f"split {split}: {anomaly}" for anomaly in find_anomalies(images, np.concatenate(labels))]
    _stop_at("the images look wrong", found)


def find_anomalies(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> list[str]:
    """Problems of a split that a schema cannot express, one text each, with the likely cause.

    Args:
        images: uint8 [n, 28, 28], the split's first images; `SAMPLE` are enough.
        labels: int64 [N] in 0..9, of the whole split, N >= n.
    """
    found = []
    counts = np.bincount(labels, minlength=NUM_CLASSES)
    for name, count in zip(CLASS_NAMES, counts.tolist(), strict=True):
        if count == 0:
            found.append(f"no example has the digit {name}: the data is incomplete, or its labels are wrong")
        elif count < LEAST_SHARE * len(labels):
            share = f"{count} of {len(labels):,} examples, less than {LEAST_SHARE:.0%}"
            found.append(f"the digit {name} is too rare: {share}")
    border = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    if np.mean(border) > 127:
        found.append("the images look inverted: MNIST's digits are light on dark; use 255 - image")
        return found
    ones = images[labels[: len(images)] == 1] > 127
    if len(ones) >= FEWEST_ONES:
        width, height = (np.median(ones.any(axis=axis).sum(axis=1)) for axis in (1, 2))
        if width > height:
            found.append(
                "the images look transposed, because the ones lie on their side: EMNIST's files are stored that "
                "way; swap rows and columns"
            )
    return found


def _stop_at(what: str, found: list[str]) -> None:
    if found:
        raise AnomaliesFoundError(f"{what}:\n" + "\n".join(f"  {line}" for line in found))


def _read(anomalies: Artifact, split: str) -> Iterator[tuple[str, anomalies_pb2.AnomalyInfo]]:
    path = io_utils.get_only_uri_in_dir(artifact_utils.get_split_uri([anomalies], split))
    with fileio.open(path, "rb") as file:
        message = anomalies_pb2.Anomalies.FromString(file.read())
    if message.HasField("dataset_anomaly_info"):
        yield "", message.dataset_anomaly_info
    yield from message.anomaly_info.items()
