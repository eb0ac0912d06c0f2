"""The button under an answer: what the network saw."""

from __future__ import annotations

import logging

from telegram import InlineKeyboardMarkup, InputMediaPhoto, Message, Update
from telegram.error import BadRequest

from serving_bot.reading.annotation import annotate
from serving_bot.reading.answer import Reading
from serving_bot.telegram.attachments import attachment, download
from serving_bot.telegram.context import BotContext
from serving_bot.telegram.keyboards import PART, RIGHT, SHOW, WRONG, answer_keyboard
from serving_bot.telegram.texts import Texts
from serving_bot.telegram.wording import caption, display_name
from serving_bot.versions.hot_swap import ServedModel

log = logging.getLogger(__name__)


async def on_show(update: Update, context: BotContext) -> None:
    """Shows what the network saw.

    The bot stores no pictures: the answered message still has the picture, so the bot downloads and reads it again.
    """
    query = update.callback_query
    if query is None or query.data is None:
        return
    texts = context.texts(update)
    services = context.services
    asked = query.message if isinstance(query.message, Message) else None
    sources = _sources(asked, context)
    refusal = None
    if asked is None or not sources:
        refusal = texts("picture-gone")
    elif services.models.current is None:
        refusal = texts("no-model")
    elif (asked.chat_id, asked.message_id) not in services.shown and not await services.limit.admit(asked.chat_id):
        refusal = texts("too-many-pictures")
    try:
        await query.answer(refusal, show_alert=refusal is not None)
    except BadRequest:  # pressed while the bot was down: the button's progress indicator has already stopped
        log.info("a pressed button is too old to be acknowledged")
    model = services.models.current
    if refusal is not None or asked is None or model is None or not services.show_once(asked):
        return
    try:
        await _show_all(sources, model, query.data.removeprefix(SHOW), context, texts)
    except Exception:
        del services.shown[asked.chat_id, asked.message_id]  # the button stays, for another try
        raise
    try:
        await asked.edit_reply_markup(_without_show(asked, texts))
    except BadRequest as error:  # the answer was deleted, or someone else removed the button
        log.info("the button could not be removed", extra={"reason": error.message})


def _without_show(asked: Message, texts: Texts) -> InlineKeyboardMarkup | None:
    """The buttons that stay under an answer: those that ask whether it is right, if they are still there."""
    keys = asked.reply_markup.inline_keyboard if asked.reply_markup is not None else ()
    data = [str(key.callback_data) for row in keys for key in row]
    parts = [int(one.removeprefix(PART)) for one in data if one.startswith(PART)]
    return answer_keyboard(texts, None, asks=WRONG in data, sure=RIGHT in data, parts=parts)


async def _show_all(
    sources: list[Message], model: ServedModel, answered: str, context: BotContext, texts: Texts
) -> None:
    shown = [await _show(source, model, context) for source in sources]
    version = str(model.version.number)
    title = texts(
        "shown" if answered == version else "shown-other-version",
        name=display_name(model),
        version=version,
        answered=answered,
    )
    captions = [caption(title, reading, texts) for _, reading in shown]
    if len(shown) == 1:
        await sources[0].reply_photo(shown[0][0], captions[0], do_quote=True, allow_sending_without_reply=True)
    else:
        media = [InputMediaPhoto(image, text) for (image, _), text in zip(shown, captions, strict=True)]
        await sources[0].reply_media_group(media, do_quote=True, allow_sending_without_reply=True)


def _sources(asked: Message | None, context: BotContext) -> list[Message]:
    """The messages with the pictures of an answer."""
    if asked is None:
        return []
    album = context.services.albums.recall(asked)
    if album:
        return album
    replied = asked.reply_to_message
    return [replied] if replied is not None and attachment(replied) is not None else []


async def _show(source: Message, model: ServedModel, context: BotContext) -> tuple[bytes, Reading]:
    picture = attachment(source)
    assert picture is not None  # _sources returns only messages with a picture
    async with context.services.room_for(picture.size):
        data = await download(picture, context)
        reading = await context.services.models.read(model, data)
        image = await context.services.models.run(annotate, reading)
    return image, reading
