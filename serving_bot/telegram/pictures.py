"""Reads photos, documents and albums, and answers."""

from __future__ import annotations

import logging
import time

from telegram import InlineKeyboardMarkup, Message, Update
from telegram.constants import MessageLimit
from telegram.error import BadRequest

from serving_bot.feedback.outbox import JudgedAnswer
from serving_bot.reading.decoding import TooLargePictureError, UnreadablePictureError
from serving_bot.telegram.albums import Album
from serving_bot.telegram.attachments import TooBigError, attachment, download
from serving_bot.telegram.commands import word_for
from serving_bot.telegram.context import BotContext, meant_for, message_of
from serving_bot.telegram.drawings import DrawingError, paint, parse_strokes
from serving_bot.telegram.keyboards import PART, answer_keyboard
from serving_bot.telegram.texts import Texts
from serving_bot.telegram.typing_action import typing_action
from serving_bot.telegram.wording import Answer, tell

log = logging.getLogger(__name__)


async def on_picture(update: Update, context: BotContext) -> None:
    """Answers a photo, or a picture sent as a document."""
    message = message_of(update)
    texts = context.texts(update)
    answer = await read_message(message, context, texts)
    if answer is not None:
        await _send(answer, message, context, texts)


async def _send(answer: Answer, message: Message, context: BotContext, texts: Texts) -> None:
    """Sends an answer with its buttons, and records it if the sender may judge it."""
    feedback, picture = context.services.feedback, attachment(message)
    version = answer.model.version.number if answer.can_be_shown and answer.model is not None else None
    asks = _asks(answer, message, context)
    sure = answer.outcome == "read"
    sent = await message.reply_text(
        answer.text,
        do_quote=True,
        allow_sending_without_reply=True,
        reply_markup=answer_keyboard(texts, version, asks, sure),
    )
    if feedback is not None and version is not None and picture is not None:
        place = (sent.chat_id, sent.message_id, picture.file_id, picture.size)
        feedback.note_answer(JudgedAnswer(*place, version, answer.read, sure))


def _asks(answer: Answer, message: Message, context: BotContext) -> bool:
    """Whether to ask the sender of a picture if its answer is right."""
    feedback, user = context.services.feedback, message.from_user
    if feedback is None or user is None or answer.model is None or not answer.can_be_shown:
        return False
    return feedback.asks(user.id, answer.read)


async def on_drawing(update: Update, context: BotContext) -> None:
    """Takes strokes that the Mini App sends through Telegram if a button of the keyboard has opened it."""
    message, services, texts = message_of(update), context.services, context.texts(update)
    assert message.web_app_data is not None
    assert message.from_user is not None  # the filters let private chats through
    if not services.limit.has_room(message.chat_id):
        if services.limit.first_refusal(message.chat_id):
            await message.reply_text(texts("too-many-pictures"))
        return
    try:
        strokes = parse_strokes(message.web_app_data.data)
    except DrawingError:
        await message.reply_text(texts("drawing-unreadable"))
        return
    await services.drawings.post(message.from_user, await services.models.run(paint, strokes))


async def on_album(update: Update, context: BotContext) -> None:
    """Collects an album's messages; the album gets one answer, and late messages edit it."""
    texts = context.texts(update)
    services = context.services

    async def answer(album: Album, arrived: list[Update]) -> None:
        try:
            await _answer_album(album, list(map(message_of, arrived)), context, texts)
        except Exception as error:  # it runs outside PTB's error handling, so it is passed to the same handler
            await context.application.process_error(update, error)
        for part in arrived:
            services.journal.answered(part.update_id)

    services.albums.add(update, answer)


async def _answer_album(album: Album, arrived: list[Message], context: BotContext, texts: Texts) -> None:
    album.messages |= {message.message_id: message for message in arrived}
    if not any(meant_for(message, context.bot) for message in album.messages.values()):
        return
    unanswered = [album.messages[number] for number in sorted(album.messages) if number not in album.answers]
    for message in unanswered:
        if attachment(message) is not None:
            album.answers[message.message_id] = await _answer_part(message, context, texts)
    if not album.answers:
        await unanswered[0].reply_text(texts(word_for(unanswered[0])), do_quote=True, allow_sending_without_reply=True)
        return
    answers = [album.answers[number] for number in sorted(album.answers)]
    lines = "\n".join(f"{place}. {answer.text}" for place, answer in enumerate(answers, 1))
    text, button = lines[: MessageLimit.MAX_TEXT_LENGTH], _album_keyboard(album, context, texts)
    if album.sent is not None:
        if text == album.sent.text:
            return
        try:
            edited = await album.sent.edit_text(text, reply_markup=button)
        except BadRequest as error:
            if "not found" not in error.message:
                raise
        else:
            album.sent = edited if isinstance(edited, Message) else album.sent
            return
    album.sent = await album.messages[min(album.answers)].reply_text(
        text, do_quote=True, allow_sending_without_reply=True, reply_markup=button
    )


async def _answer_part(message: Message, context: BotContext, texts: Texts) -> Answer:
    try:
        answer = await read_message(message, context, texts)
    except Exception:  # the other pictures still need an answer
        log.exception("reading a picture failed", extra={"message_id": message.message_id})
        context.services.metrics.errors.inc()
        answer = Answer(texts("failed"), "failed")
    return answer or Answer(texts("too-many-pictures"), "limited")


async def read_message(message: Message, context: BotContext, texts: Texts) -> Answer | None:
    """Reads the picture of a message, and counts and logs the outcome.

    Returns:
        The answer; None if the chat has sent too many pictures and has been told.
    """
    services = context.services
    began = time.monotonic()
    with services.metrics.in_flight.track_inprogress():
        try:
            answer = await _read(message, context, texts)
        except Exception:
            services.metrics.pictures.labels("failed").inc()
            raise
    outcome = "limited" if answer is None else answer.outcome
    version = answer.model.version.number if answer is not None and answer.model is not None else None
    services.metrics.pictures.labels(outcome).inc()
    services.metrics.answering.observe(time.monotonic() - began)
    log.info(
        "picture",
        extra={
            "outcome": outcome,
            "version": version,
            "milliseconds": round(1000 * (time.monotonic() - began)),
        },
    )
    return answer


async def _read(message: Message, context: BotContext, texts: Texts) -> Answer | None:
    services = context.services
    picture = attachment(message)
    if picture is None:
        return Answer(texts("not-a-picture"), "not_a_picture")
    if not await services.limit.admit(message.chat_id):
        first = services.limit.first_refusal(message.chat_id)
        return Answer(texts("too-many-pictures"), "limited") if first else None
    model = services.models.current
    if model is None:
        return Answer(texts("no-model"), "no_model")
    try:
        async with services.room_for(picture.size):
            data = await download(picture, context)
            began = time.monotonic()
            async with typing_action(message):
                reading = await services.models.read(model, data)
            services.metrics.reading.observe(time.monotonic() - began)
    except TooBigError:
        return Answer(texts("too-big"), "too_big")
    except UnreadablePictureError as error:
        too_large = isinstance(error, TooLargePictureError)
        return Answer(texts("too-many-pixels" if too_large else "unreadable"), "unreadable")
    text, outcome = tell(reading, texts)
    return Answer(text, outcome, model, reading.text)


async def on_part(update: Update, context: BotContext) -> None:
    """Sends one answer of an album again, by itself, with the buttons to judge it."""
    query, texts = update.callback_query, context.texts(update)
    if query is None or query.data is None or not isinstance(query.message, Message):
        return
    album = context.services.albums.find(query.message)
    numbers = sorted(album.answers) if album is not None else []
    place = int(query.data.removeprefix(PART))
    try:
        await query.answer(None if place <= len(numbers) else texts("feedback-too-old"))
    except BadRequest:  # pressed while the bot was down
        log.info("a pressed button is too old to be acknowledged")
    if album is None or place > len(numbers) or numbers[place - 1] in album.judged:
        return
    number = numbers[place - 1]
    album.judged.add(number)
    await _send(album.answers[number], album.messages[number], context, texts)
    try:
        await query.edit_message_reply_markup(_album_keyboard(album, context, texts))
    except BadRequest as error:
        log.info("the button could not be removed", extra={"reason": error.message})


def _album_keyboard(album: Album, context: BotContext, texts: Texts) -> InlineKeyboardMarkup | None:
    """What the network saw, and a button for each answer that can be judged and was not sent again."""
    answers = [(number, album.answers[number]) for number in sorted(album.answers)]
    parts = [
        place
        for place, (number, answer) in enumerate(answers, 1)
        if number not in album.judged and _asks(answer, album.messages[number], context)
    ]
    models = (answer.model for _, answer in answers if answer.can_be_shown and answer.model is not None)
    model = next(models, None)
    if model is None:
        return None
    shown = album.sent is not None and (album.sent.chat_id, album.sent.message_id) in context.services.shown
    return answer_keyboard(texts, None if shown else model.version.number, asks=False, parts=parts)
