"""Which pushed version to serve."""

from __future__ import annotations

import os
from pathlib import Path


class NoPushedModelError(Exception):
    """The push folder holds no complete version; the message is one sentence with the next step."""


def newest_version(push_dir: str) -> str:
    """The folder of the pinned version, else of the complete version with the greatest number.

    Raises:
        NoPushedModelError: there is none.
    """
    folder = Path(push_dir)
    pin = folder / "pin"
    versions = [path for path in folder.glob("*/saved_model.pb") if path.parent.name.isdigit()]
    if pin.is_file():
        versions = [path for path in versions if path.parent.name == pin.read_text().strip()]
    if not versions:
        raise NoPushedModelError(
            f"No model has been pushed to {os.path.abspath(push_dir)} yet; run the pipeline first."
        )
    return str(max((path.parent for path in versions), key=lambda path: int(path.name)))
