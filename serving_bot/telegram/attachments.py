"""The picture of a message: finding its file, and downloading it."""

from __future__ import annotations

from dataclasses import dataclass

from telegram import Message
from telegram.constants import FileSizeLimit
from telegram.error import BadRequest

from serving_bot.telegram.context import BotContext

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".heic", ".heif")


@dataclass(frozen=True)
class Attachment:
    """A picture on Telegram's servers: its file identifier, and its size in bytes if known."""

    file_id: str
    size: int | None


class TooBigError(Exception):
    """The file is larger than a bot may download."""


def attachment(message: Message) -> Attachment | None:
    """The picture of a message, in its largest size; None if it has none."""
    if message.photo:
        largest = max(message.photo, key=lambda size: size.width * size.height)
        return Attachment(largest.file_id, largest.file_size)
    document = message.document
    if document is None or message.animation is not None:
        return None
    kind = (document.mime_type or "").lower()
    named_so = (document.file_name or "").lower().endswith(PICTURE_SUFFIXES)
    if kind.startswith("image/") or named_so or kind in ("", "application/octet-stream"):
        return Attachment(document.file_id, document.file_size)
    return None


async def download(picture: Attachment, context: BotContext) -> bytes:
    """Downloads a picture into memory.

    Raises:
        TooBigError: it is larger than a bot may download.
    """
    if picture.size is not None and picture.size > FileSizeLimit.FILESIZE_DOWNLOAD:
        raise TooBigError
    try:
        file = await context.bot.get_file(picture.file_id)
    except BadRequest as error:
        if "too big" in error.message:
            raise TooBigError from error
        raise
    return bytes(await file.download_as_bytearray())
