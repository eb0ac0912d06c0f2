"""Albums: Telegram sends their pictures one update each, tied together by a ``media_group_id`` only."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from telegram import Message, Update

from serving_bot.telegram.wording import Answer

REMEMBERED_ALBUMS = 1_000


@dataclass
class Album:
    """One album."""

    messages: dict[int, Message] = field(default_factory=dict)  # those taken up for an answer so far
    # what was said of each picture, by the number of its message
    answers: dict[int, Answer] = field(default_factory=dict)
    sent: Message | None = None  # the bot's message with the answers; None before there is one
    arrived: list[Update] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


Answering = Callable[[Album, list[Update]], Awaitable[None]]


class Albums:
    """Collects the messages of each album until no more come, then has it answered once, in order.

    What arrives after the answer is handed to ``answering`` of the same album, which amends that answer. The last
    thousand albums are remembered, in memory.

    Args:
        wait: seconds without a new message after which an album is complete.
    """

    def __init__(self, wait: float = 0.7) -> None:
        self._wait = wait
        self._albums: OrderedDict[tuple[int, str], Album] = OrderedDict()
        self._closing = asyncio.Event()

    def add(self, update: Update, answering: Answering) -> None:
        """Adds a new message to its album; ``answering`` gets the album and its new updates, and must not raise."""
        assert update.message is not None
        key = (update.message.chat_id, str(update.message.media_group_id))
        album = self._albums.setdefault(key, Album())
        self._albums.move_to_end(key)
        album.arrived.append(update)
        if album.task is None or album.task.done():
            album.task = asyncio.create_task(self._collect(album, answering))
        if len(self._albums) > REMEMBERED_ALBUMS:
            oldest = next(iter(self._albums.values()))
            if oldest.task is not None and oldest.task.done():
                self._albums.popitem(last=False)

    def recall(self, answer: Message) -> list[Message]:
        """The pictures that ``answer`` was about and that can be shown; empty where it was no album, or too old."""
        for album in self._albums.values():
            if album.sent is not None and (album.sent.chat_id, album.sent.id) == (answer.chat_id, answer.id):
                return [album.messages[number] for number, one in sorted(album.answers.items()) if one.can_be_shown]
        return []

    async def finish(self) -> None:
        """Answers what has been collected so far, and waits for the answers."""
        self._closing.set()
        await asyncio.gather(*(album.task for album in self._albums.values() if album.task is not None))

    async def _collect(self, album: Album, answering: Answering) -> None:
        while album.arrived:
            seen = -1
            while len(album.arrived) != seen and not self._closing.is_set():
                seen = len(album.arrived)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), self._wait)
            arrived, album.arrived = album.arrived, []
            await answering(album, arrived)
