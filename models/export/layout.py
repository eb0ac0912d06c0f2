"""Where an exported model keeps files that TensorFlow Serving does not need, and how the card names the flatbuffer.

Paths are relative to the SavedModel's folder; the Pusher copies them with it. The bot reads them, so this module does
not import TensorFlow.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

MODEL_FILE = os.path.join("assets.extra", "model.tflite")
CARD_FILE = os.path.join("assets.extra", "card.json")
MODEL_CHECKSUM = "model_sha256"
"""Key of the card: hexadecimal SHA-256 of MODEL_FILE as exported. Older cards lack it."""


def is_as_exported(card: dict[str, Any], flatbuffer: bytes) -> bool | None:
    """Whether this is the MODEL_FILE that the card was written for; None if the card does not say."""
    expected = card.get(MODEL_CHECKSUM)
    return None if expected is None else hashlib.sha256(flatbuffer).hexdigest() == expected
