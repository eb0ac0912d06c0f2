"""Who contributed, without names: a keyed hash of a person's number, which nobody can undo who lacks the key.

The key file holds one key a line, the present one first. To rotate the key, put a new line before the others: who comes
new is named under it. Somebody known under an older key keeps that name (serving_bot/telegram/feedback.py), so that their
hand stays on its side of the division into training and evaluation, and can still be forgotten.
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
    """Names contributors by HMAC-SHA-256 of their Telegram number (RFC 2104).

    Args:
        key_file: the keys; made with one random key, readable by its owner only, where it is missing.

    Raises:
        FeedbackError: the file cannot be read or made, or a key is too short.
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
        """The contributor's name under the present key, 32 hexadecimal digits."""
        return _hash(self._keys[0], f"user {user}")

    def names(self, user: int) -> list[str]:
        """The names under all keys, the present one first."""
        return [_hash(key, f"user {user}") for key in self._keys]

    def contribution_id(self, chat: int, message: int, place: int) -> str:
        """The number of a contribution: the same for the same digit of the same answer, however often it is sent."""
        return _hash(self._keys[0], f"digit {chat} {message} {place}")


def _hash(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:_HASH_CHARACTERS]
