from datetime import datetime, timezone

import pytest
from telegram import Chat, Document, Message, PhotoSize

from serving_bot.telegram.attachments import Attachment, attachment

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)


def message(**content) -> Message:
    return Message(1, NOW, Chat(1, "private"), **content)


def test_the_largest_size_of_a_photo_is_taken():
    sizes = [PhotoSize("small", "s", 90, 67, 900), PhotoSize("large", "l", 1280, 960), PhotoSize("m", "m", 320, 240)]
    assert attachment(message(photo=sizes)) == Attachment("large", None)


@pytest.mark.parametrize(
    ("name", "kind", "picture"),
    [
        ("a.png", "image/png", True),
        ("a.HEIC", "application/octet-stream", True),
        ("scan", "", True),
        ("a.jpg", "application/x-unknown", True),
        ("a.pdf", "application/pdf", False),
        ("a.zip", "application/zip", False),
    ],
)
def test_documents_that_can_be_pictures(name, kind, picture):
    document = Document("id", "unique", file_name=name, mime_type=kind, file_size=5)
    assert (attachment(message(document=document)) == Attachment("id", 5)) is picture


def test_a_message_without_a_picture_has_none():
    assert attachment(message(text="8")) is None
