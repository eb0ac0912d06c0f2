"""Messages to the admin chat."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from telegram import Bot
from telegram.error import TelegramError

from serving_bot.telegram.texts import Texts

log = logging.getLogger(__name__)


class AdminChat:
    """Sends texts to the admin chat, each in a separate task; does nothing without such a chat."""

    def __init__(self, bot: Bot, chat: int | None, texts: Texts) -> None:
        self._bot = bot
        self._chat = chat
        self._texts = texts
        self._reports: set[asyncio.Task[None]] = set()

    def tell(self, key: str, **arguments: Any) -> None:
        """Sends the text ``key``."""
        if self._chat is None:
            return
        report = asyncio.create_task(self._send(self._chat, self._texts(key, **arguments)))
        self._reports.add(report)
        report.add_done_callback(self._reports.discard)

    async def finish(self) -> None:
        """Waits until all messages are sent."""
        await asyncio.gather(*self._reports)

    async def _send(self, chat: int, text: str) -> None:
        try:
            await self._bot.send_message(chat, text)
        except TelegramError as error:
            log.warning("could not report to the admin chat", extra={"reason": str(error)})
