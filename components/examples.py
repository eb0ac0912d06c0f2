"""Reads MnistExampleGen's examples."""

import os

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
    files = tf.io.gfile.glob(os.path.join(artifact_utils.get_split_uri([examples], split), "*"))
    return tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")
