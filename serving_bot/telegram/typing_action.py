"""Shows “typing…” in the chat while reading a picture takes long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from telegram import Message
from telegram.constants import ChatAction
from telegram.error import TelegramError

PATIENCE_S = 0.5
"""Seconds before “typing…” appears."""

SHOWN_S = 4.5
"""Seconds until it is repeated: Telegram shows the action for five seconds, or until a message comes."""


@contextlib.asynccontextmanager
async def typing_action(message: Message) -> AsyncIterator[None]:
    """Shows “typing…” in the chat of ``message`` if the block takes longer than half a second."""
    showing = asyncio.create_task(_show(message))
    try:
        yield
    finally:
        showing.cancel()


async def _show(message: Message) -> None:
    with contextlib.suppress(TelegramError):  # the answer meets the same error, and reports it
        await asyncio.sleep(PATIENCE_S)
        while True:
            await message.reply_chat_action(ChatAction.TYPING)
            await asyncio.sleep(SHOWN_S)
