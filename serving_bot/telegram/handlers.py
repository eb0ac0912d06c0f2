"""What the bot does with each kind of message."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    Message,
    ReplyKeyboardMarkup,
    Update,
)
from telegram.constants import ChatType, FileSizeLimit, MessageLimit
from telegram.error import BadRequest, Forbidden, TelegramError
from telegram.ext import (
    Application,
    ApplicationHandlerStop,
    CallbackQueryHandler,
    CommandHandler,
    MessageHandler,
    TypeHandler,
    filters,
)

from serving_bot.reading.annotation import annotate
from serving_bot.reading.decoding import TooLargePictureError, UnreadablePictureError
from serving_bot.reading.finding import MAX_DIGITS
from serving_bot.reading.reader import Digit, Reading
from serving_bot.telegram.context import BotContext
from serving_bot.telegram.texts import Texts
from serving_bot.versions.hot_swap import ServedModel

log = logging.getLogger(__name__)

MOST_CONFIDENT = 0.999
"""The greatest probability that is shown: nobody is 100 % sure."""

SHOW = "saw:"
"""Callback data of the button, followed by the version that answered."""

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".heic", ".heif")


@dataclass(frozen=True)
class Attachment:
    """A picture that Telegram holds for us: its file identifier, and its size in bytes where known."""

    file_id: str
    size: int | None


@dataclass(frozen=True)
class Answer:
    """What to say of one picture, and what came of it (one of ``metrics.OUTCOMES``)."""

    text: str
    outcome: str
    model: ServedModel | None = None

    @property
    def can_be_shown(self) -> bool:
        """Whether there is anything that the network saw."""
        return self.outcome in ("read", "unsure")


def add_handlers(application: Application[Any, BotContext, Any, Any, Any, Any]) -> None:
    """Registers every handler of this bot."""
    private = filters.UpdateType.MESSAGE & filters.ChatType.PRIVATE
    moving = filters.ANIMATION | filters.VIDEO | filters.VIDEO_NOTE
    picture = filters.UpdateType.MESSAGE & (filters.PHOTO | filters.Document.ALL) & ~moving
    handlers = [
        CommandHandler("start", on_start, filters.UpdateType.MESSAGE),
        CommandHandler("help", on_help, filters.UpdateType.MESSAGE),
        CommandHandler("model", on_model, filters.UpdateType.MESSAGE),
        MessageHandler(filters.UpdateType.MESSAGE & _InAlbum(), on_album),
        MessageHandler(picture, on_picture),
        MessageHandler(private & filters.TEXT, on_text),
        MessageHandler(private & ~filters.StatusUpdate.ALL, on_other),
        CallbackQueryHandler(on_show, f"^{SHOW}"),
    ]
    application.add_handler(TypeHandler(Update, guard), group=-1)
    application.add_handlers(handlers)
    application.add_error_handler(on_error)


class _InAlbum(filters.MessageFilter):
    def filter(self, message: Message) -> bool:
        return message.media_group_id is not None


# ---------------------------------------------------------------------------------------------- conversation


async def guard(update: Update, context: BotContext) -> None:
    """Keeps chats that are not on the allow-list, where there is one, away from the other handlers."""
    chat = update.effective_chat
    allowed = context.services.allowed_chats
    if not allowed or (chat is not None and chat.id in allowed):
        return
    if update.message is not None and chat is not None and chat.type == ChatType.PRIVATE:
        await update.message.reply_text(_texts(update, context)("not-allowed", chat=str(chat.id)))
    raise ApplicationHandlerStop


async def on_start(update: Update, context: BotContext) -> None:
    """Greets by first name and shows the menu."""
    texts = _texts(update, context)
    await _message(update).reply_text(texts("start", name=_first_name(update)), reply_markup=_menu(texts))


async def on_help(update: Update, context: BotContext) -> None:
    """Says what the bot can do and which commands it knows."""
    texts = _texts(update, context)
    await _message(update).reply_text(texts("help"), reply_markup=_menu(texts))


async def on_model(update: Update, context: BotContext) -> None:
    """Says which model answers, how good it is and where it came from."""
    texts = _texts(update, context)
    model = context.services.models.current
    await _message(update).reply_text(texts("no-model") if model is None else describe(model, texts))


async def on_text(update: Update, context: BotContext) -> None:
    """Does what a button of the menu says; anything else gets a friendly word."""
    texts = _texts(update, context)
    message = _message(update)
    labels = context.services.languages.labels
    if message.text in labels("menu-greet"):
        await message.reply_text(texts("greeting", name=_first_name(update)), reply_markup=_menu(texts))
    elif message.text in labels("menu-abilities"):
        await message.reply_text(texts("abilities"), reply_markup=_back(texts))
    elif message.text in labels("menu-recognise"):
        await message.reply_text(texts("recognise"), reply_markup=_back(texts))
    elif message.text in labels("menu-back"):
        await message.reply_text(texts("menu"), reply_markup=_menu(texts))
    else:
        await message.reply_text(texts("text-word"), reply_markup=_menu(texts))


async def on_other(update: Update, context: BotContext) -> None:
    """A friendly word for what is neither picture nor text."""
    message = _message(update)
    await message.reply_text(_texts(update, context)(_word_for(message)))


def _word_for(message: Message) -> str:
    if message.sticker:
        return "sticker-word"
    if message.animation or message.video or message.video_note:
        return "video-word"
    if message.voice or message.audio:
        return "voice-word"
    return "other-word"


# -------------------------------------------------------------------------------------------------- pictures


async def on_picture(update: Update, context: BotContext) -> None:
    """Answers a photo, or a picture sent as a document."""
    message = _message(update)
    texts = _texts(update, context)
    answer = await read_message(message, context, texts)
    if answer is not None:
        await message.reply_text(
            answer.text,
            do_quote=True,
            allow_sending_without_reply=True,
            reply_markup=_show_button([answer], texts),
        )


async def on_album(update: Update, context: BotContext) -> None:
    """Collects an album's messages; the last of them has it answered, once."""
    texts = _texts(update, context)

    async def answer(messages: list[Message]) -> None:
        try:
            await _answer_album(messages, context, texts)
        except Exception as error:  # it runs outside of PTB's handling, and goes where PTB would have sent it
            await context.application.process_error(update, error)

    context.services.albums.add(_message(update), answer)


async def _answer_album(messages: list[Message], context: BotContext, texts: Texts) -> None:
    pictures = [message for message in messages if attachment(message) is not None]
    if not pictures:
        await messages[0].reply_text(texts(_word_for(messages[0])), do_quote=True, allow_sending_without_reply=True)
        return
    answers = []
    for message in pictures:
        try:
            answer = await read_message(message, context, texts)
        except Exception:  # the others are to be answered all the same
            log.exception("reading a picture failed", extra={"message_id": message.message_id})
            context.services.metrics.errors.inc()
            answer = Answer(texts("failed"), "failed")
        answers.append(answer or Answer(texts("too-many-pictures"), "limited"))
    text = "\n".join(f"{place}. {answer.text}" for place, answer in enumerate(answers, 1))
    sent = await pictures[0].reply_text(
        text[: MessageLimit.MAX_TEXT_LENGTH],
        do_quote=True,
        allow_sending_without_reply=True,
        reply_markup=_show_button(answers, texts),
    )
    context.services.albums.remember(
        sent, [message for message, answer in zip(pictures, answers, strict=True) if answer.can_be_shown]
    )


async def read_message(message: Message, context: BotContext, texts: Texts) -> Answer | None:
    """Reads the picture of a message, and counts and logs what came of it.

    Returns:
        What to say; None where the chat has sent too many and has been told.
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
            reading = await services.models.read(model, data)
            services.metrics.reading.observe(time.monotonic() - began)
    except _TooBigError:
        return Answer(texts("too-big"), "too_big")
    except UnreadablePictureError as error:
        too_large = isinstance(error, TooLargePictureError)
        return Answer(texts("too-many-pixels" if too_large else "unreadable"), "unreadable")
    text, outcome = tell(reading, texts)
    return Answer(text, outcome, model)


class _TooBigError(Exception):
    """The file is larger than a bot may fetch."""


def attachment(message: Message) -> Attachment | None:
    """The picture of a message, in its largest size; None if it has none."""
    if message.photo:
        largest = max(message.photo, key=lambda size: size.width * size.height)
        return Attachment(largest.file_id, largest.file_size)
    document = message.document
    if document is None or message.animation is not None:
        return None
    kind = (document.mime_type or "").lower()
    named_so = (document.file_name or "").lower().endswith(PICTURE_SUFFIXES)
    if kind.startswith("image/") or named_so or kind in ("", "application/octet-stream"):
        return Attachment(document.file_id, document.file_size)
    return None


async def download(picture: Attachment, context: BotContext) -> bytes:
    """Fetches a picture into memory.

    Raises:
        _TooBigError: it is larger than a bot may fetch.
    """
    if picture.size is not None and picture.size > FileSizeLimit.FILESIZE_DOWNLOAD:
        raise _TooBigError
    try:
        file = await context.bot.get_file(picture.file_id)
    except BadRequest as error:
        if "too big" in error.message:
            raise _TooBigError from error
        raise
    return bytes(await file.download_as_bytearray())


# -------------------------------------------------------------------------------------- what the network saw


async def on_show(update: Update, context: BotContext) -> None:
    """Shows what the network saw.

    No picture is kept: the message that was answered still holds it, so it is fetched and read again.
    """
    query = update.callback_query
    if query is None or query.data is None:
        return
    texts = _texts(update, context)
    services = context.services
    asked = query.message if isinstance(query.message, Message) else None
    sources = _sources(asked, context)
    refusal = None
    if asked is None or not sources:
        refusal = texts("picture-gone")
    elif services.models.current is None:
        refusal = texts("no-model")
    elif not await services.limit.admit(asked.chat_id):
        refusal = texts("too-many-pictures")
    try:
        await query.answer(refusal, show_alert=refusal is not None)
    except BadRequest:  # pressed while the bot was away: the little clock on the button has stopped by itself
        log.info("a pressed button is too old to be acknowledged")
    model = services.models.current
    if refusal is not None or asked is None or model is None:
        return
    shown = [await _show(source, model, context) for source in sources]
    answered = query.data.removeprefix(SHOW)
    version = str(model.version.number)
    title = texts(
        "shown" if answered == version else "shown-other-version",
        name=_display_name(model),
        version=version,
        answered=answered,
    )
    captions = [caption(title, reading, texts) for _, reading in shown]
    if len(shown) == 1:
        await sources[0].reply_photo(shown[0][0], captions[0], do_quote=True, allow_sending_without_reply=True)
    else:
        media = [InputMediaPhoto(image, text) for (image, _), text in zip(shown, captions, strict=True)]
        await sources[0].reply_media_group(media, do_quote=True, allow_sending_without_reply=True)
    await asked.edit_reply_markup(None)


def _sources(asked: Message | None, context: BotContext) -> list[Message]:
    """The messages whose pictures an answer was about."""
    if asked is None:
        return []
    album = context.services.albums.recall(asked)
    if album:
        return album
    replied = asked.reply_to_message
    return [replied] if replied is not None and attachment(replied) is not None else []


async def _show(source: Message, model: ServedModel, context: BotContext) -> tuple[bytes, Reading]:
    picture = attachment(source)
    assert picture is not None  # _sources lets no other through
    async with context.services.room_for(picture.size):
        data = await download(picture, context)
        reading = await context.services.models.read(model, data)
        image = await context.services.models.run(annotate, reading)
    return image, reading


def caption(title: str, reading: Reading, texts: Texts) -> str:
    """The title, and the top three of as many digits as Telegram has room for."""
    rows = [title]
    for place, digit in enumerate(reading.digits, 1):
        row = texts("shown-row", place=str(place), guesses=_guesses(digit, texts))
        if sum(map(len, rows)) + len(rows) + len(row) > MessageLimit.CAPTION_LENGTH - 2:
            rows.append("…")
            break
        rows.append(row)
    return "\n".join(rows)


# ---------------------------------------------------------------------------------------------------- wording


def tell(reading: Reading, texts: Texts) -> tuple[str, str]:
    """What to say of a reading, and its outcome: ``read``, ``unsure`` or ``nothing``."""
    digits = reading.digits
    sure = [digit for digit in digits if digit.sure]
    if not digits:
        key = "too-many-digits" if reading.too_many else "nothing-found"
        return texts(key, limit=MAX_DIGITS), "nothing"
    if len(digits) == 1:
        digit = digits[0]
        if digit.sure:
            name = texts(f"digit-{digit.digit}")
            return texts("this-is", digit=name, confidence=_confidence(digit.probability, texts)), "read"
        return texts("not-sure", guesses=_guesses(digit, texts)), "unsure"
    if not sure:
        return texts("not-sure-of-any", count=len(digits)), "unsure"
    if len(sure) < len(digits):
        marked = " ".join(f"{digit.digit}" if digit.sure else f"{digit.digit}?" for digit in digits)
        return texts("digits-doubtful", digits=marked), "unsure"
    together = "".join(str(digit.digit) for digit in digits)
    confidence = _confidence(min(digit.probability for digit in digits), texts)
    return texts("digits-found", count=len(digits), digits=together, confidence=confidence), "read"


def describe(model: ServedModel, texts: Texts) -> str:
    """What the card of a served model says, for people."""
    card = model.card
    accuracy = card.get("metrics", {}).get("test_accuracy")
    return texts(
        "model",
        name=_display_name(model),
        version=str(model.version.number),
        accuracy=texts("unknown") if accuracy is None else texts.percentage(float(accuracy), decimals=2),
        trained=_time(card.get("trained_at"), texts),
        pushed=texts.time(model.pushed_at),
        run=str(card.get("run_id") or texts("unknown")),
    )


def _time(text: Any, texts: Texts) -> str:
    """An ISO 8601 time from a card, as the language writes it."""
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return texts("unknown")
    return texts.time(moment)


def _display_name(model: ServedModel) -> str:
    return str(model.card.get("display_name") or model.card.get("model") or "?")


def _guesses(digit: Digit, texts: Texts) -> str:
    return ", ".join(
        texts("guess", digit=label, confidence=_confidence(probability, texts)) for label, probability in digit.top
    )


def _confidence(probability: float, texts: Texts) -> str:
    return texts.percentage(min(float(probability), MOST_CONFIDENT))


def _menu(texts: Texts) -> ReplyKeyboardMarkup:
    rows = [[texts("menu-greet"), texts("menu-abilities")], [texts("menu-recognise")]]
    return ReplyKeyboardMarkup(rows, resize_keyboard=True)


def _back(texts: Texts) -> ReplyKeyboardMarkup:
    return ReplyKeyboardMarkup([[texts("menu-back")]], resize_keyboard=True)


def _show_button(answers: Sequence[Answer], texts: Texts) -> InlineKeyboardMarkup | None:
    for answer in answers:
        if answer.can_be_shown and answer.model is not None:
            data = f"{SHOW}{answer.model.version.number}"
            return InlineKeyboardMarkup([[InlineKeyboardButton(texts("show-button"), callback_data=data)]])
    return None


def _texts(update: Update, context: BotContext) -> Texts:
    user = update.effective_user
    return context.services.languages.of(user.language_code if user is not None else None)


def _message(update: Update) -> Message:
    """The new message of an update; the handlers' filters let no other update through."""
    assert update.message is not None
    return update.message


def _first_name(update: Update) -> str:
    return update.effective_user.first_name if update.effective_user is not None else ""


# ----------------------------------------------------------------------------------------------------- errors


async def on_error(update: object, context: BotContext) -> None:
    """Logs an unexpected error once, and apologises to whoever was waiting."""
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
        apology = _texts(update, context)("failed")
        try:
            await update.effective_message.reply_text(apology, do_quote=True, allow_sending_without_reply=True)
        except TelegramError as error:
            log.info("could not apologise", extra={"reason": str(error)})
