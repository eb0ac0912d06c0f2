"""Reads files of artifacts, local or in an object store."""

from __future__ import annotations

import json
from typing import Any

from tfx.dsl.io import fileio


def read_bytes(path: str) -> bytes:
    """A file's content."""
    with fileio.open(path, "rb") as file:
        content: bytes = file.read()
    return content


def read_json(path: str) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ValueError: the file holds something else; the message names it.
    """
    try:
        content = json.loads(read_bytes(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not a JSON object")
    return content
