"""Albums: Telegram sends each picture as a separate update; only the ``media_group_id`` connects them."""

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

    messages: dict[int, Message] = field(default_factory=dict)  # messages accepted for an answer so far
    # the answer for each picture, by message number
    answers: dict[int, Answer] = field(default_factory=dict)
    sent: Message | None = None  # the bot's message with the answers; None until it is sent
    judged: set[int] = field(default_factory=set)  # message numbers whose answers were sent again, to be judged
    arrived: list[Update] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


Answering = Callable[[Album, list[Update]], Awaitable[None]]


class Albums:
    """Collects the messages of each album until no more come, then has it answered once, in order.

    Later messages go to ``answering`` of the same album, which edits the answer. The last thousand albums are kept in
    memory.

    Args:
        wait: an album is complete after this many seconds without a new message.
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

    def find(self, answer: Message) -> Album | None:
        """The album that ``answer`` was for; None if it was for none, or is too old."""
        for album in self._albums.values():
            if album.sent is not None and (album.sent.chat_id, album.sent.id) == (answer.chat_id, answer.id):
                return album
        return None

    def recall(self, answer: Message) -> list[Message]:
        """The pictures of ``answer`` that can be shown; empty if it was not for an album, or is too old."""
        album = self.find(answer)
        if album is None:
            return []
        return [album.messages[number] for number, one in sorted(album.answers.items()) if one.can_be_shown]

    async def finish(self) -> None:
        """Answers the messages collected so far, and waits until the answers are sent."""
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
