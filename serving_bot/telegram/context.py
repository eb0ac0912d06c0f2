"""The typed context of this bot's handlers."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiolimiter import AsyncLimiter
from telegram import Bot, Chat, Message, Update
from telegram.constants import ChatType
from telegram.ext import CallbackContext, ExtBot

from serving_bot.telegram.albums import Albums
from serving_bot.telegram.drawings import Drawings
from serving_bot.telegram.feedback import Feedback
from serving_bot.telegram.journal import Journal
from serving_bot.telegram.metrics import Metrics
from serving_bot.telegram.texts import Languages, Texts
from serving_bot.versions.hot_swap import ModelServer

REMEMBERED_CHATS = 10_000
REMEMBERED_ANSWERS = 10_000
SMALL_FILE = 2**19  # bytes; a typical photo from Telegram, 1280 pixels wide, is smaller


class PictureLimit:
    """Limits the pictures of a chat: one leaky bucket for each of the most recent chats."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[int, AsyncLimiter] = OrderedDict()
        self._told: set[int] = set()

    async def admit(self, chat: int) -> bool:
        """Whether this chat may send one more picture now."""
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

    def has_room(self, chat: int) -> bool:
        """Whether this chat may probably send one more picture now."""
        return chat not in self._buckets or self._buckets[chat].has_capacity()

    def first_refusal(self, chat: int) -> bool:
        """Whether the chat has not been told yet: one message is enough for a burst."""
        first = chat not in self._told
        self._told.add(chat)
        return first


@dataclass
class Services:
    """The handlers' services; ``application.build`` makes them once."""

    models: ModelServer
    languages: Languages
    metrics: Metrics
    limit: PictureLimit
    albums: Albums
    journal: Journal
    answer_groups: bool = True
    allowed_chats: frozenset[int] = frozenset()
    mini_app: str | None = None  # the address of the page, if it is served
    drawings: Drawings = field(init=False)  # (set later: needs the application, which needs these services)
    health: Callable[[], dict[str, Any]] = dict  # the report of ``/healthz``
    feedback: Feedback | None = None  # None if the bot does not ask whether answers are right
    shown: OrderedDict[tuple[int, int], None] = field(default_factory=OrderedDict)
    _small_downloads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))
    _large_downloads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def admits(self, chat: Chat) -> bool:
        """Whether the bot answers a chat: groups may be ignored, and there may be an allow-list."""
        if chat.type != ChatType.PRIVATE and not self.answer_groups:
            return False
        return not self.allowed_chats or chat.id in self.allowed_chats

    def show_once(self, answer: Message) -> bool:
        """Whether to show what the network saw for this answer: a second tap does nothing."""
        key = (answer.chat_id, answer.message_id)
        if key in self.shown:
            return False
        self.shown[key] = None
        if len(self.shown) > REMEMBERED_ANSWERS:
            self.shown.popitem(last=False)
        return True

    def room_for(self, size: int | None) -> asyncio.Semaphore:
        """The semaphore to hold while ``size`` bytes are in memory: eight small files at a time, or one large one."""
        return self._small_downloads if size is not None and size <= SMALL_FILE else self._large_downloads


class BotContext(CallbackContext[ExtBot[Any], dict[Any, Any], dict[Any, Any], Services]):
    """The context of this bot's handlers."""

    @property
    def services(self) -> Services:
        """The handlers' services."""
        return self.bot_data

    def texts(self, update: Update) -> Texts:
        """The texts in the sender's language."""
        user = update.effective_user
        return self.services.languages.of(user.language_code if user is not None else None)


def message_of(update: Update) -> Message:
    """The new message of an update; the handlers' filters pass only such updates."""
    assert update.message is not None
    return update.message


def meant_for(message: Message, bot: Bot) -> bool:
    """Whether a message is for the bot: in a private chat, any; in a group, one that replies to it or mentions it."""
    if message.chat.type == ChatType.PRIVATE:
        return True
    replied = message.reply_to_message
    if replied is not None and replied.from_user is not None and replied.from_user.id == bot.id:
        return True
    words = message.caption or message.text or ""
    return re.search(rf"@{re.escape(bot.username)}\b", words, re.IGNORECASE) is not None
