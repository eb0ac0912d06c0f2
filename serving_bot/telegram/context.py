"""What every handler can reach: the typed context of this bot."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from aiolimiter import AsyncLimiter
from telegram import Message, Update
from telegram.ext import CallbackContext, ExtBot

from serving_bot.telegram.albums import Albums
from serving_bot.telegram.metrics import Metrics
from serving_bot.telegram.texts import Languages, Texts
from serving_bot.versions.hot_swap import ModelServer

REMEMBERED_CHATS = 10_000
SMALL_FILE = 2**19
"""Bytes. Telegram's usual photo, 1280 pixels wide, is smaller than this."""


class PictureLimit:
    """How many pictures a chat may send: a leaky bucket per chat, for the chats seen last."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[int, AsyncLimiter] = OrderedDict()
        self._told: set[int] = set()

    async def admit(self, chat: int) -> bool:
        """Whether this chat may have one more picture read now."""
        bucket = self._buckets.setdefault(chat, AsyncLimiter(self._per_minute, 60))
        self._buckets.move_to_end(chat)
        if len(self._buckets) > REMEMBERED_CHATS:
            forgotten, _ = self._buckets.popitem(last=False)
            self._told.discard(forgotten)
        if not bucket.has_capacity():
            return False
        await bucket.acquire()
        self._told.discard(chat)
        return True

    def first_refusal(self, chat: int) -> bool:
        """Whether the chat has not been told yet: one sentence is enough for a whole burst."""
        first = chat not in self._told
        self._told.add(chat)
        return first


@dataclass
class Services:
    """What the handlers work with; made once, by ``application.build``."""

    models: ModelServer
    languages: Languages
    metrics: Metrics
    limit: PictureLimit
    albums: Albums
    admin_chat: int | None = None
    allowed_chats: frozenset[int] = frozenset()
    _small_downloads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))
    _large_downloads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def room_for(self, size: int | None) -> asyncio.Semaphore:
        """What to hold while ``size`` bytes are in memory: eight small files at a time, one large one."""
        return self._small_downloads if size is not None and size <= SMALL_FILE else self._large_downloads


class BotContext(CallbackContext[ExtBot[Any], dict[Any, Any], dict[Any, Any], Services]):
    """The context of this bot's handlers."""

    @property
    def services(self) -> Services:
        """What the handlers work with."""
        return self.bot_data

    def texts(self, update: Update) -> Texts:
        """The texts in the language of whoever sent an update."""
        user = update.effective_user
        return self.services.languages.of(user.language_code if user is not None else None)


def message_of(update: Update) -> Message:
    """The new message of an update; the handlers' filters let no other update through."""
    assert update.message is not None
    return update.message
