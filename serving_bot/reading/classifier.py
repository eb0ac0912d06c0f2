"""The classifier of a pushed version: its LiteRT flatbuffer and its card, without TensorFlow."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from models.export.layout import CARD_FILE, MODEL_FILE, is_as_exported

SIGNATURE = "serving_images"

_BATCH = 16
"""Images in one call of LiteRT. An interpreter keeps its buffers for the largest batch: with MyModel, two that read 41
cheques held 158 MiB with whole pictures as batches and 101 MiB with 16 images, in the same time.
"""


class BrokenModelError(Exception):
    """A pushed version cannot be loaded or has another signature than this bot serves."""


@dataclass
class Classifier:
    """A loaded LiteRT model: uint8 [N, 28, 28] images in, float32 [N, 10] probabilities out.

    Not thread-safe: a LiteRT interpreter handles one call at a time.

    Attributes:
        card: the JSON card exported with the model (name, metrics, run id, temperature, ...).
    """

    card: dict[str, Any]
    _runner: Any = field(repr=False)
    _interpreter: Interpreter = field(repr=False)  # the signature runner does not keep its interpreter alive

    @classmethod
    def load(cls, version_dir: str) -> Classifier:
        """Loads one version folder, local or any path that fsspec can open (``gs://`` with gcsfs installed).

        Raises:
            BrokenModelError: a file is missing or unreadable, the flatbuffer is not the exported one, or the signature
                is not uint8 [N, 28, 28, 1] -> {"probabilities": float32 [N, 10], "class": int64 [N]}.
        """
        try:
            with fsspec.open(os.path.join(version_dir, CARD_FILE), "rb") as file:
                card = json.loads(file.read())
            with fsspec.open(os.path.join(version_dir, MODEL_FILE), "rb") as file:
                content = file.read()
            if not isinstance(card, dict) or is_as_exported(card, content) is False:
                raise ValueError(f"{MODEL_FILE} and {CARD_FILE} do not belong together: one of them was altered")
            interpreter = Interpreter(model_content=content, num_threads=1)
            runner = interpreter.get_signature_runner(SIGNATURE)
            classifier = cls(card=card, _runner=runner, _interpreter=interpreter)
            shape = classifier.predict(np.zeros((1, 28, 28), np.uint8)).shape
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise BrokenModelError(f"{version_dir}: {error}") from error
        if shape != (1, 10):
            raise BrokenModelError(f"{version_dir}: this bot does not support the output shape {shape}")
        return classifier

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities of the ten digits, float32 [N, 10], for uint8 [N, 28, 28] images, N ≥ 1, white ink on black."""
        batches = (images[start : start + _BATCH, ..., np.newaxis] for start in range(0, len(images), _BATCH))
        return np.concatenate([self._runner(images=batch)["probabilities"] for batch in batches])
