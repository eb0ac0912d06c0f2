"""Commands, the menu, and replies to messages without a picture."""

from __future__ import annotations

from telegram import KeyboardButton, Message, ReplyKeyboardMarkup, Update, WebAppInfo
from telegram.constants import ChatType
from telegram.ext import ApplicationHandlerStop

from serving_bot.telegram.context import BotContext, message_of
from serving_bot.telegram.texts import Texts
from serving_bot.telegram.wording import describe


async def guard(update: Update, context: BotContext) -> None:
    """Stops updates from ignored groups, and from chats that are not on the allow-list."""
    chat = update.effective_chat
    if chat is None or context.services.admits(chat):
        return
    if update.message is not None and chat.type == ChatType.PRIVATE:
        await update.message.reply_text(context.texts(update)("not-allowed", chat=str(chat.id)))
    raise ApplicationHandlerStop


async def on_start(update: Update, context: BotContext) -> None:
    """Greets by first name and shows the menu."""
    texts = context.texts(update)
    await message_of(update).reply_text(texts("start", name=_first_name(update)), reply_markup=_menu(update, context))


async def on_help(update: Update, context: BotContext) -> None:
    """Explains what the bot can do, and lists its commands."""
    texts = context.texts(update)
    await message_of(update).reply_text(texts("help"), reply_markup=_menu(update, context))


async def on_model(update: Update, context: BotContext) -> None:
    """Describes the model that answers: name, accuracy and origin."""
    texts = context.texts(update)
    model = context.services.models.current
    await message_of(update).reply_text(texts("no-model") if model is None else describe(model, texts))


async def on_status(update: Update, context: BotContext) -> None:
    """Sends the report of ``/healthz`` to the admin chat."""
    texts = context.texts(update)
    health = context.services.health()
    status = texts(
        "status",
        version=str(health["model"] or "–"),
        silence=texts.number(health["telegram_silence_s"]),
        waited=texts.number(health["longest_wait_s"]),
    )
    await message_of(update).reply_text(status)


async def on_text(update: Update, context: BotContext) -> None:
    """Handles the menu's buttons; replies in a friendly way to any other text."""
    texts = context.texts(update)
    message = message_of(update)
    labels = context.services.languages.labels
    if message.text in labels("menu-greet"):
        await message.reply_text(texts("greeting", name=_first_name(update)), reply_markup=_menu(update, context))
    elif message.text in labels("menu-abilities"):
        await message.reply_text(texts("abilities"), reply_markup=_back(texts))
    elif message.text in labels("menu-recognise"):
        await message.reply_text(texts("recognise"), reply_markup=_back(texts))
    elif message.text in labels("menu-back"):
        await message.reply_text(texts("menu"), reply_markup=_menu(update, context))
    else:
        await message.reply_text(texts("text-word"), reply_markup=_menu(update, context))


async def on_other(update: Update, context: BotContext) -> None:
    """Replies in a friendly way to messages that are neither picture nor text."""
    message = message_of(update)
    await message.reply_text(context.texts(update)(word_for(message)))


def word_for(message: Message) -> str:
    """The key of the text for a message that is neither text nor picture."""
    if message.sticker:
        return "sticker-word"
    if message.animation or message.video or message.video_note:
        return "video-word"
    if message.voice or message.audio:
        return "voice-word"
    return "other-word"


def _menu(update: Update, context: BotContext) -> ReplyKeyboardMarkup:
    texts, address = context.texts(update), context.services.mini_app
    rows = [[texts("menu-greet"), texts("menu-abilities")], [texts("menu-recognise")]]
    if address is None or message_of(update).chat.type != ChatType.PRIVATE:  # (Telegram has no such buttons in groups)
        return ReplyKeyboardMarkup(rows, resize_keyboard=True)
    draw = KeyboardButton(texts("menu-draw"), web_app=WebAppInfo(address))
    return ReplyKeyboardMarkup([[draw], *rows], resize_keyboard=True)


def _back(texts: Texts) -> ReplyKeyboardMarkup:
    return ReplyKeyboardMarkup([[texts("menu-back")]], resize_keyboard=True)


def _first_name(update: Update) -> str:
    return update.effective_user.first_name if update.effective_user is not None else ""
