"""Contributors' codes: keyed hashes of their Telegram numbers, which cannot be reversed without the key.

The key file holds one key a line, the present one first. To rotate the key, put a new line before the others: new
contributors are named under it. Somebody known under an older key keeps that name (serving_bot/telegram/feedback.py):
the same hand stays either in training or in evaluation, and can still be forgotten.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from serving_bot.feedback.contribution import FeedbackError

_KEY_BYTES = 32
_LEAST_CHARACTERS = 32
_HASH_CHARACTERS = 32  # 128 bits


class Contributors:
    """Computes contributors' codes: HMAC-SHA-256 of their Telegram number (RFC 2104).

    Args:
        key_file: the keys; created with one random key, readable only by its owner, if it is missing.

    Raises:
        FeedbackError: the file cannot be read or created, or a key is too short.
    """

    def __init__(self, key_file: Path) -> None:
        try:
            if not key_file.exists():
                key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="ascii") as file:
                    file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            keys = key_file.read_text("utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            raise FeedbackError(f"Cannot use the key file {key_file}: {reason}.") from error
        if not keys or any(len(key) < _LEAST_CHARACTERS for key in keys):
            raise FeedbackError(f"{key_file} should hold a key of {_LEAST_CHARACTERS} characters or more on each line.")
        self._keys = [key.encode() for key in keys]

    def name(self, user: int) -> str:
        """The code under the current key, 32 hexadecimal digits."""
        return _hash(self._keys[0], f"user {user}")

    def names(self, user: int) -> list[str]:
        """The codes under all keys, the current one first."""
        return [_hash(key, f"user {user}") for key in self._keys]

    def contribution_id(self, chat: int, message: int, place: int) -> str:
        """The id of a contribution: always the same for the same digit of the same answer."""
        return _hash(self._keys[0], f"digit {chat} {message} {place}")


def _hash(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:_HASH_CHARACTERS]
