import asyncio

from serving_bot.telegram import context
from serving_bot.telegram.context import PictureLimit


def test_each_chat_has_its_own_limit():
    async def admit():
        limit = PictureLimit(per_minute=3)
        return [await limit.admit(chat) for chat in (1, 1, 1, 1, 1, 2, 2, 2, 2)]

    assert asyncio.run(admit()) == [True, True, True, False, False, True, True, True, False]


def test_a_chat_is_told_once_per_burst():
    limit = PictureLimit(per_minute=1)
    assert [limit.first_refusal(chat) for chat in (1, 1, 2, 1)] == [True, False, True, False]


def test_old_chats_are_forgotten(monkeypatch):
    monkeypatch.setattr(context, "REMEMBERED_CHATS", 100)

    async def admit():
        limit = PictureLimit(per_minute=1)
        for chat in range(1000):
            await limit.admit(chat)
            limit.first_refusal(chat)
        return len(limit._buckets), len(limit._told), await limit.admit(0)

    assert asyncio.run(admit()) == (100, 100, True)
