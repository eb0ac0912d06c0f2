"""Finds pictures among the examples of a run."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import tensorflow as tf

from components.evaluation.metrics import image_digest
from components.examples import FEATURES, open_folders
from models.features import IMAGE_KEY


def find_pictures(folders: Sequence[str], digests: set[str]) -> dict[str, str]:
    """The examples' PNGs with these digests, in base64."""
    found = {}
    for examples in open_folders(folders).batch(5000):
        for png in tf.io.parse_example(examples, FEATURES)[IMAGE_KEY].numpy():
            digest = image_digest(png)
            if digest in digests:
                found[digest] = base64.b64encode(png).decode()
    return found
