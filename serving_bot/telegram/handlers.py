"""Registers the handlers, and handles errors."""

from __future__ import annotations

import logging
from typing import Any

from telegram import Bot, Message, Update
from telegram.error import Forbidden, TelegramError
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, MessageHandler, TypeHandler, filters

from serving_bot.telegram.buttons import on_show
from serving_bot.telegram.commands import guard, on_help, on_model, on_other, on_start, on_status, on_text
from serving_bot.telegram.context import BotContext, meant_for
from serving_bot.telegram.keyboards import SHOW
from serving_bot.telegram.pictures import on_album, on_drawing, on_picture

log = logging.getLogger(__name__)


def add_handlers(application: Application[Any, BotContext, Any, Any, Any, Any], admin_chat: int | None) -> None:
    """Registers every handler of this bot."""
    private = filters.UpdateType.MESSAGE & filters.ChatType.PRIVATE
    moving = filters.ANIMATION | filters.VIDEO | filters.VIDEO_NOTE
    picture = filters.UpdateType.MESSAGE & (filters.PHOTO | filters.Document.ALL) & ~moving & _Meant(application.bot)
    handlers = [
        CommandHandler("start", on_start, filters.UpdateType.MESSAGE),
        CommandHandler("help", on_help, filters.UpdateType.MESSAGE),
        CommandHandler("model", on_model, filters.UpdateType.MESSAGE),
        MessageHandler(filters.UpdateType.MESSAGE & _InAlbum(), on_album),
        MessageHandler(picture, on_picture),
        MessageHandler(private & filters.StatusUpdate.WEB_APP_DATA, on_drawing),
        MessageHandler(private & filters.TEXT, on_text),
        MessageHandler(private & ~filters.StatusUpdate.ALL, on_other),
        CallbackQueryHandler(on_show, f"^{SHOW}"),
    ]
    if admin_chat is not None:
        of_admins = filters.UpdateType.MESSAGE & filters.Chat(admin_chat)
        application.add_handler(CommandHandler("status", on_status, of_admins))
    application.add_handler(TypeHandler(Update, guard), group=-1)
    application.add_handlers(handlers)
    application.add_error_handler(on_error)


class _Meant(filters.MessageFilter):
    def __init__(self, bot: Bot) -> None:
        super().__init__()
        self._bot = bot

    def filter(self, message: Message) -> bool:
        return meant_for(message, self._bot)


class _InAlbum(filters.MessageFilter):
    def filter(self, message: Message) -> bool:
        return message.media_group_id is not None


async def on_error(update: object, context: BotContext) -> None:
    """Logs an unexpected error once, and apologises to the user who was waiting."""
    if isinstance(context.error, Forbidden):
        log.info("a user has blocked the bot")
        return
    context.services.metrics.errors.inc()
    log.error(
        "an update could not be answered",
        exc_info=context.error,
        extra={"update_id": update.update_id if isinstance(update, Update) else None},
    )
    if isinstance(update, Update) and update.effective_message is not None:
        apology = context.texts(update)("failed")
        try:
            await update.effective_message.reply_text(apology, do_quote=True, allow_sending_without_reply=True)
        except TelegramError as error:
            log.info("could not apologise", extra={"reason": str(error)})
