"""Reads MnistExampleGen's examples."""

import os
from collections.abc import Sequence

import tensorflow as tf
from tfx.types import Artifact

from compat.tfx import artifact_utils
from models.features import IMAGE_KEY, LABEL_KEY

FEATURES = {
    IMAGE_KEY: tf.io.FixedLenFeature([], tf.string),
    LABEL_KEY: tf.io.FixedLenFeature([], tf.int64),
}
"""The feature specification for tf.io.parse_example."""


def open_split(examples: Artifact, split: str) -> tf.data.TFRecordDataset:
    """The serialised tf.Examples of a split, in the order of the data's files."""
    return open_folders([artifact_utils.get_split_uri([examples], split)])


def open_folders(folders: Sequence[str]) -> tf.data.TFRecordDataset:
    """The serialised tf.Examples in folders of splits, in the order of the files' names."""
    files = sorted(file for folder in folders for file in tf.io.gfile.glob(os.path.join(folder, "*")))
    return tf.data.TFRecordDataset(files, compression_type="GZIP")
