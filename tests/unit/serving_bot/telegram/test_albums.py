import asyncio
from datetime import datetime, timezone

from telegram import Chat, Message, Update

from serving_bot.telegram import albums as module
from serving_bot.telegram.albums import Albums
from serving_bot.telegram.wording import Answer

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)


def message(number: int, album: str = "a", chat: int = 1) -> Message:
    return Message(number, NOW, Chat(chat, "private"), media_group_id=album)


def collect(albums: Albums, messages: list[Message], pause: float = 0.0) -> list[list[int]]:
    """The message numbers of each album, in the order of the answers."""
    answered = []

    async def answer(album, updates):
        answered.append(sorted(update.message.message_id for update in updates))

    async def add_all():
        for one in messages:
            albums.add(Update(one.message_id, message=one), answer)
            await asyncio.sleep(pause)
        await asyncio.sleep(0.3)
        await albums.finish()

    asyncio.run(add_all())
    return answered


def test_an_album_is_answered_once_and_in_order():
    assert collect(Albums(0.1), [message(3), message(1), message(2)]) == [[1, 2, 3]]


def test_stragglers_within_the_wait_belong_to_it():
    assert collect(Albums(0.2), [message(number) for number in range(1, 5)], pause=0.1) == [[1, 2, 3, 4]]


def test_albums_and_chats_are_kept_apart():
    answered = collect(Albums(0.1), [message(1), message(2, "b"), message(1, chat=2), message(4, "b")])
    assert sorted(answered) == [[1], [1], [2, 4]]


def test_finishing_does_not_wait_for_more_parts():
    albums = Albums(wait=60)
    answered = []

    async def answer(album, updates):
        answered.append(len(updates))

    async def stop():
        albums.add(Update(1, message=message(1)), answer)
        albums.add(Update(2, message=message(2)), answer)
        await asyncio.wait_for(albums.finish(), 5)

    asyncio.run(stop())
    assert answered == [2]


def test_only_the_last_albums_are_remembered(monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED_ALBUMS", 2)
    albums = Albums(wait=0.01)

    async def answer(album, updates):
        album.messages = {update.message.message_id: update.message for update in updates}
        album.answers = {number: Answer("an 8", "read") for number in album.messages}
        album.sent = message(100 + updates[0].update_id)

    async def send():
        for number in range(3):
            albums.add(Update(number, message=message(number, str(number))), answer)
            await asyncio.sleep(0.05)

    asyncio.run(send())
    assert [len(albums.recall(message(100 + number))) for number in range(3)] == [0, 1, 1]


def test_late_parts_go_to_the_same_album():
    albums, seen = Albums(wait=0.01), []

    async def answer(album, updates):
        seen.append((id(album), [update.update_id for update in updates]))

    async def send():
        for number in range(2):
            albums.add(Update(number, message=message(number)), answer)
            await asyncio.sleep(0.1)

    asyncio.run(send())
    assert [numbers for _, numbers in seen] == [[0], [1]]
    assert len({album for album, _ in seen}) == 1
