import json
from datetime import datetime, timezone

from telegram import Update

from serving_bot.telegram.attachments import attachment
from serving_bot.telegram.intake import Intake
from serving_bot.telegram.journal import Journal

PHOTO = [{"file_id": "file", "file_unique_id": "u", "width": 9, "height": 9, "file_size": 7}]
USER = {"id": 5, "is_bot": False, "first_name": "Anna", "username": "anna", "language_code": "ru"}


def update(number: int, kind: str = "private", **content) -> dict:
    chat = {"id": 5, "type": kind, "title": "Our group"}
    return {"update_id": number, "message": {"message_id": number, "date": 1, "chat": chat, "from": USER, **content}}


def test_a_note_is_enough_to_answer_and_has_no_text_of_the_user():
    journal, unreadable = Journal(None), []
    meant = lambda message: "bot" in (message.caption or "bot")  # noqa: E731
    intake = Intake(journal, lambda chat: True, meant, lambda: "digits_bot", lambda: unreadable.append(1))
    updates = [
        update(1, photo=PHOTO),
        update(2, "group", photo=PHOTO, caption="@digits_bot my secret"),
        update(3, "group", photo=PHOTO, caption="for Ben"),
        update(4, text="my secret"),
        {"update_id": 5, "message": {"message_id": 5, "date": 1, "chat": {"id": 1}, "text": "my secret"}},
    ]
    assert intake.take(updates) == [*updates[:4], {"update_id": 5}]
    assert unreadable == [1]
    assert intake.take(updates)[:2] == [{"update_id": 1}, {"update_id": 2}]
    notes = journal.unanswered()
    assert [note["update_id"] for note in notes] == [1, 2]
    assert not any(word in json.dumps(notes) for word in ("secret", "Anna", "anna", "Our group"))
    message = Update.de_json(notes[1], None).message
    assert attachment(message).file_id == "file"
    assert attachment(message).size == 7
    assert message.caption == "@digits_bot"
    assert message.date == datetime.fromtimestamp(1, timezone.utc)
