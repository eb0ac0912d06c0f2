"""Finds pictures among the examples of a run."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import tensorflow as tf

from components.evaluation.metrics import image_digest
from models.features import IMAGE_KEY


def find_pictures(folders: Sequence[str], digests: set[str]) -> dict[str, str]:
    """The examples' PNGs with these digests, in base64."""
    files = sorted(file for folder in folders for file in tf.io.gfile.glob(f"{folder}/*"))
    feature = {IMAGE_KEY: tf.io.FixedLenFeature([], tf.string)}
    found = {}
    for examples in tf.data.TFRecordDataset(files, compression_type="GZIP").batch(5000):
        for png in tf.io.parse_example(examples, feature)[IMAGE_KEY].numpy():
            digest = image_digest(png)
            if digest in digests:
                found[digest] = base64.b64encode(png).decode()
    return found
