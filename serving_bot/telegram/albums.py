"""Albums: Telegram sends their pictures one update each, tied together by a ``media_group_id`` only."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from telegram import Message

REMEMBERED_ANSWERS = 1_000

Answering = Callable[[list[Message]], Awaitable[None]]


@dataclass
class _Album:
    answering: Answering
    messages: list[Message] = field(default_factory=list)


class Albums:
    """Collects the messages of each album until no more come, then has it answered once, in order.

    Also remembers which messages an answer was about, as an answer can be a reply to one message only: their
    identifiers, for the last thousand albums, in memory.

    Args:
        wait: seconds without a new message after which an album is complete.
    """

    def __init__(self, wait: float = 0.7) -> None:
        self._wait = wait
        self._collecting: dict[tuple[int, str], _Album] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._answered: OrderedDict[tuple[int, int], list[Message]] = OrderedDict()

    def add(self, message: Message, answering: Answering) -> None:
        """Adds a message to its album; ``answering`` of the first is called with all, and must not raise."""
        key = (message.chat_id, str(message.media_group_id))
        album = self._collecting.get(key)
        if album is None:
            album = self._collecting[key] = _Album(answering)
            task = asyncio.create_task(self._collect(key, album))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        album.messages.append(message)

    def remember(self, answer: Message, messages: list[Message]) -> None:
        """Remembers what ``answer`` was about."""
        self._answered[answer.chat_id, answer.message_id] = messages
        if len(self._answered) > REMEMBERED_ANSWERS:
            self._answered.popitem(last=False)

    def recall(self, answer: Message) -> list[Message]:
        """The album that ``answer`` was about; empty where it was none, or too long ago."""
        return self._answered.get((answer.chat_id, answer.message_id), [])

    async def finish(self) -> None:
        """Answers what has been collected so far, and waits for the answers."""
        self._closing.set()
        await asyncio.gather(*self._tasks)

    async def _collect(self, key: tuple[int, str], album: _Album) -> None:
        seen = -1
        while len(album.messages) != seen and not self._closing.is_set():
            seen = len(album.messages)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._wait)
        del self._collecting[key]
        await album.answering(sorted(album.messages, key=lambda message: message.message_id))
