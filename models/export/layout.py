"""Where an exported model keeps what TensorFlow Serving does not need, and how the two files are held together.

Paths are relative to the SavedModel's folder; the Pusher copies them with it. The bot reads them: no TensorFlow here.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

MODEL_FILE = os.path.join("assets.extra", "model.tflite")
CARD_FILE = os.path.join("assets.extra", "card.json")
MODEL_CHECKSUM = "model_sha256"
"""Key of the card: SHA-256 of MODEL_FILE as it was exported, hexadecimal. Older cards have none."""


def is_as_exported(card: dict[str, Any], flatbuffer: bytes) -> bool | None:
    """Whether this is the MODEL_FILE that the card was written for; None for a card that does not say."""
    expected = card.get(MODEL_CHECKSUM)
    return None if expected is None else hashlib.sha256(flatbuffer).hexdigest() == expected
