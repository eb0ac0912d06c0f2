"""How far digits differ from those of a training, by TensorFlow Data Validation: labels, ink and slant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from components.examples import FEATURES, open_folders
from models.features import IMAGE_KEY, LABEL_KEY, OUTLIER
from models.preprocessing import decode_images

SAMPLE = 5000  # examples of a split that are compared
FEWEST = 30  # digits that make a comparison; with fewer, chance alone looks like drift

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Drift:
    """Differences between two sets of digits, each from 0 (none) to 1."""

    labels: float  # L-infinity distance: the largest difference of a digit's share
    ink: float  # Jensen-Shannon divergence of the shares of ink in an image
    slant: float  # Jensen-Shannon divergence of the slants

    @property
    def largest(self) -> float:
        """The largest of them."""
        return max(self.labels, self.ink, self.slant)

    def __str__(self) -> str:
        return f"slant by {self.slant:.2f}, ink by {self.ink:.2f}, shares of digits by {self.labels:.2f}"


def measure_drift(digits: tuple[Images, Labels], reference: tuple[Images, Labels]) -> Drift | None:
    """Compares digits with a reference by TFDV's drift comparators.

    Args:
        digits: images uint8 [N, 28, 28], light on dark, and labels int64 [N]; non-digits (OUTLIER) are skipped.
        reference: the same.

    Returns:
        None if either has fewer than FEWEST digits.
    """
    frames = [_describe(*one) for one in (reference, digits)]
    if min(map(len, frames)) < FEWEST:
        return None
    before, now = (tfdv.generate_statistics_from_dataframe(frame, n_jobs=1) for frame in frames)
    anomalies = tfdv.validate_statistics(now, _SCHEMA, previous_statistics=before)
    found: dict[str, Any] = {info.path.step[0]: info.drift_measurements[0].value for info in anomalies.drift_skew_info}
    return Drift(*(float(found[name]) for name in ("label", "ink", "slant")))


def read_digits(folders: Sequence[str]) -> tuple[Images, Labels]:
    """The first SAMPLE examples in folders of gzipped TFRecord files, such as a split of MnistExampleGen."""
    images, labels = [np.zeros((0, 28, 28), np.uint8)], [np.zeros(0, np.int64)]
    for records in open_folders(folders).take(SAMPLE).batch(1000):
        parsed = tf.io.parse_example(records, FEATURES)
        images.append(decode_images(parsed[IMAGE_KEY]).numpy()[..., 0])
        labels.append(parsed[LABEL_KEY].numpy())
    return np.concatenate(images), np.concatenate(labels)


def _describe(images: Images, labels: Labels) -> pd.DataFrame:
    """Label, share of ink and slant of each digit."""
    ink = images[labels != OUTLIER].astype(np.float64) / 255
    mass = np.maximum(ink.sum(axis=(1, 2)), 1e-9)
    rows, columns = np.mgrid[:28, :28]
    row, column = ((ink * place).sum(axis=(1, 2)) / mass for place in (rows, columns))
    above = row[:, None, None] - rows
    # The slope of the regression of columns on rows: how many columns to the right for each row up.
    height = np.maximum((ink * above**2).sum(axis=(1, 2)), 1e-9)
    slant = (ink * above * (columns - column[:, None, None])).sum(axis=(1, 2)) / height
    return pd.DataFrame({"label": labels[labels != OUTLIER].astype(str), "ink": ink.mean(axis=(1, 2)), "slant": slant})


def _make_schema() -> schema_pb2.Schema:
    """Each feature with its comparator; TFDV measures only what has a threshold."""
    schema = schema_pb2.Schema()
    schema.feature.add(name="label", type=schema_pb2.BYTES).drift_comparator.infinity_norm.threshold = 0
    for name in ("ink", "slant"):
        feature = schema.feature.add(name=name, type=schema_pb2.FLOAT)
        feature.drift_comparator.jensen_shannon_divergence.threshold = 0
    return schema


_SCHEMA = _make_schema()
