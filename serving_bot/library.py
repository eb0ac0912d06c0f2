"""`from serving_bot import read`: reads the digits in a picture with the last pushed model."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from serving_bot.reading.answer import Reading
    from serving_bot.reading.reader import Reader


def read(picture: str | Path | bytes | Image.Image | npt.NDArray[np.uint8], push_dir: str = "serving_model") -> Reading:
    """Reads the digits in a picture.

    The first call loads the version that the bot would serve, such as the pinned one; later calls keep using it, even
    if a newer version is pushed. Not thread-safe.

        read("photo.jpg").text  # "2026"

    Args:
        picture: a path, the bytes of an image file, a PIL image, or uint8 [height, width] or [height, width, 3] (RGB).
        push_dir: folder of pushed models, local or any address that fsspec can open.

    Returns:
        The reading: `text`, `sure`, and `digits` with boxes and probabilities.

    Raises:
        serving_bot.reading.decoding.UnreadablePictureError: the picture cannot be read; the message says why.
        serving_bot.versions.folder.NoPushedModelError: no model has been pushed.
        serving_bot.versions.folder.PushFolderError: the folder cannot be read.
        serving_bot.reading.classifier.BrokenModelError: the pushed model is damaged.
        OSError: the file cannot be opened.
    """
    return _reader(push_dir).read(_encoded(picture))


def _encoded(picture: str | Path | bytes | Image.Image | npt.NDArray[np.uint8]) -> bytes:
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | Path):
        return Path(picture).read_bytes()
    from PIL import Image  # noqa: PLC0415 (keeps the import of this module fast)

    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@lru_cache(maxsize=4)
def _reader(push_dir: str) -> Reader:
    from serving_bot.reading.classifier import Classifier  # noqa: PLC0415
    from serving_bot.reading.reader import Reader  # noqa: PLC0415
    from serving_bot.versions.registry import asked_for  # noqa: PLC0415

    return Reader(Classifier.load(asked_for(push_dir)[0].version.path))
