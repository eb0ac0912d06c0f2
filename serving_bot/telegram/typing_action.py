"""“typing…” in the chat while a picture takes long to read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from telegram import Message
from telegram.constants import ChatAction
from telegram.error import TelegramError

PATIENCE_S = 0.5
"""An answer that comes sooner is not announced."""

SHOWN_S = 4.5
"""Telegram shows the action for five seconds, or until a message comes."""


@contextlib.asynccontextmanager
async def typing_action(message: Message) -> AsyncIterator[None]:
    """Shows in the chat of ``message`` that the bot is at work, if the block takes longer than half a second."""
    showing = asyncio.create_task(_show(message))
    try:
        yield
    finally:
        showing.cancel()


async def _show(message: Message) -> None:
    with contextlib.suppress(TelegramError):  # the answer itself meets the same trouble, and says so
        await asyncio.sleep(PATIENCE_S)
        while True:
            await message.reply_chat_action(ChatAction.TYPING)
            await asyncio.sleep(SHOWN_S)
