"""Feedback on answers: buttons, replies, reactions, consent, and deletion."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from telegram import Bot, ForceReply, Message, ReplyParameters, Update
from telegram.error import BadRequest
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    MessageHandler,
    MessageReactionHandler,
    filters,
)

from serving_bot.feedback.outbox import JudgedAnswer, Listener
from serving_bot.telegram.attachments import Attachment, download
from serving_bot.telegram.context import BotContext, message_of
from serving_bot.telegram.feedback import Feedback
from serving_bot.telegram.keyboards import (
    BACK,
    CONSENT,
    DIGIT,
    NONE,
    PART,
    RIGHT,
    WRONG,
    answer_keyboard,
    consent_keyboard,
    keypad,
    number_keyboard,
)
from serving_bot.telegram.pictures import on_part
from serving_bot.telegram.texts import Texts

log = logging.getLogger(__name__)

CORRECTION = re.compile(r"[\d\s.,/]*\d[\d\s.,/]*")
_LIKED, _DISLIKED = ("👍", "👎")
_SHORT = 60  # maximum characters of a notice at the top of the chat; a longer text gets a window
_LONGEST_VERDICT = 20  # maximum digits that fit in callback data, which has 64 bytes

Tell = Callable[[str], Awaitable[None]]
"""Shows one of the bot's texts, by key, to the user who judged."""


def add_feedback_handlers(application: Application[Any, BotContext, Any, Any, Any, Any]) -> None:
    """Registers the feedback handlers, before those for any text."""
    correction = filters.UpdateType.MESSAGE & filters.REPLY & filters.Regex(rf"^{CORRECTION.pattern}$")
    application.add_handlers(
        [
            CommandHandler("privacy", on_privacy, filters.UpdateType.MESSAGE),
            CommandHandler("forget", on_forget, filters.UpdateType.MESSAGE),
            CallbackQueryHandler(on_button, f"^({RIGHT}|{WRONG}|{BACK}|{DIGIT}.)$"),
            CallbackQueryHandler(on_consent, f"^{CONSENT}"),
            CallbackQueryHandler(on_part, rf"^{PART}\d+$"),
            MessageHandler(correction & _ToTheBot(application.bot), on_correction),
            MessageReactionHandler(on_reaction),
        ]
    )


class _ToTheBot(filters.MessageFilter):
    """Replies to the bot."""

    def __init__(self, bot: Bot) -> None:
        super().__init__()
        self._bot = bot

    def filter(self, message: Message) -> bool:
        replied = message.reply_to_message
        return replied is not None and replied.from_user is not None and replied.from_user.id == self._bot.id


async def on_button(update: Update, context: BotContext) -> None:
    """Handles a button under an answer: right, wrong, a digit, or back."""
    query = update.callback_query
    if query is None or query.data is None or query.message is None:
        return
    answer = _feedback(context).find_answer(query.message.chat.id, query.message.message_id)
    if answer is None:
        await _say(update, context, "feedback-too-old")
        await _quietly(query.edit_message_reply_markup(None))
        return
    if query.data == BACK:
        await _say(update, context, None)
        await _set_keyboard(answer, context, context.texts(update), asks=not answer.judged)
        return

    async def tell(key: str) -> None:
        await _say(update, context, key)

    await judge(update, context, answer, query.data.removeprefix(DIGIT), tell)


async def on_correction(update: Update, context: BotContext) -> None:
    """Handles a number as a reply to an answer: the right number."""
    message = message_of(update)
    replied = message.reply_to_message
    assert replied is not None  # (the filter ensures it)
    right = re.sub(r"\D", "", message.text or "")

    async def tell(key: str) -> None:
        await message.reply_text(context.texts(update)(key), do_quote=True, allow_sending_without_reply=True)

    answer = _feedback(context).find_answer(message.chat_id, replied.message_id)
    if answer is None:
        await tell("feedback-too-old")
    else:
        await judge(update, context, answer, right, tell)


async def on_reaction(update: Update, context: BotContext) -> None:
    """Handles a thumb under an answer, which counts like its buttons."""
    reaction = update.message_reaction
    if reaction is None or reaction.user is None:
        return
    before = {getattr(one, "emoji", None) for one in reaction.old_reaction}
    after = {getattr(one, "emoji", None) for one in reaction.new_reaction} - before
    answer = _feedback(context).find_answer(reaction.chat.id, reaction.message_id)
    if answer is None or answer.judged or not after & {_LIKED, _DISLIKED}:
        return

    async def tell(_: str) -> None:
        """Does nothing: a reaction gets no visible acknowledgement."""

    verdict = RIGHT if _LIKED in after else WRONG
    await judge(update, context, answer, verdict, tell)


async def on_consent(update: Update, context: BotContext) -> None:
    """Handles consent; a yes also stores the feedback that asked for it."""
    query = update.callback_query
    if query is None or query.data is None or not isinstance(query.message, Message):
        return None
    choice, asked, answer, verdict = query.data.removeprefix(CONSENT).split(":")
    texts = context.texts(update)
    if query.from_user.id != int(asked):
        return await _say(update, context, "consent-not-yours")
    await _say(update, context, None)
    feedback = _feedback(context)
    question = query.message
    listener = Listener(question.chat_id, query.from_user.language_code) if choice == "tell" else None
    feedback.note_consent(query.from_user.id, choice != "no", listener)
    done = {"yes": "consent-given", "tell": "consent-told", "no": "consent-refused"}[choice]
    await _quietly(question.edit_text(texts(done)))
    judged = feedback.find_answer(question.chat_id, int(answer))
    if judged is None:
        return None
    if choice == "no":
        return await _set_keyboard(judged, context, texts, asks=False)

    async def tell(key: str) -> None:
        await _quietly(question.edit_text(texts(key)))

    return await judge(update, context, judged, verdict, tell)


async def on_privacy(update: Update, context: BotContext) -> None:
    """Explains what is stored, and lets the user change the decision."""
    texts, user = context.texts(update), update.effective_user
    if user is None:
        return
    feedback, message = _feedback(context), message_of(update)
    state = {None: "privacy-unasked", True: "privacy-given", False: "privacy-refused"}[feedback.consent(user.id)]
    if feedback.listens(user.id):
        state = "privacy-told"
    keys = consent_keyboard(texts, user.id, message.chat_id == user.id, 0, "")
    await message.reply_text(f"{texts('privacy')}\n\n{texts(state)}", reply_markup=keys)


async def on_forget(update: Update, context: BotContext) -> None:
    """Deletes all contributions of the user."""
    user = update.effective_user
    if user is None:
        return
    done = await _feedback(context).forget(user.id)
    await message_of(update).reply_text(context.texts(update)("forgotten" if done else "forgotten-later"))


async def judge(update: Update, context: BotContext, answer: JudgedAnswer, verdict: str, tell: Tell) -> None:
    """Stores a user's feedback on an answer, if the user has given consent.

    Args:
        update: the user's update.
        context: the bot's context.
        answer: the answer.
        verdict: RIGHT, WRONG, NONE for a non-digit, or the right number.
        tell: receives the key of the text to show.
    """
    feedback, user, texts = _feedback(context), update.effective_user, context.texts(update)
    assert user is not None  # (each of these updates has a sender)
    consent = feedback.consent(user.id)
    if answer.judged:
        await _set_keyboard(answer, context, texts, asks=False)  # (a kill may have prevented it)
        await tell("feedback-known")
    elif consent is None:
        await tell("consent-first")
        kept = verdict if len(verdict) <= _LONGEST_VERDICT else WRONG
        private = answer.chat == user.id
        question = texts("consent-question") + (f"\n\n{texts('consent-tell-question')}" if private else "")
        await context.bot.send_message(
            answer.chat,
            question,
            reply_parameters=ReplyParameters(answer.message, allow_sending_without_reply=True),
            reply_markup=consent_keyboard(texts, user.id, private, answer.message, kept),
        )
    elif not consent:
        await tell("feedback-refused")
    elif verdict == WRONG:
        await _ask_for_the_right_one(answer, context, texts)
        await tell("feedback-ask")
    else:
        right = {RIGHT: answer.read.replace("\n", ""), NONE: ""}.get(verdict, verdict)
        result = await _contribute(user.id, answer, right, context)
        if result in ("kept", "known"):
            await _set_keyboard(answer, context, texts, asks=False)
        await tell(f"feedback-{result}")


async def _ask_for_the_right_one(answer: JudgedAnswer, context: BotContext, texts: Texts) -> None:
    """Shows the keypad for a digit; for a number, asks for it in a message that opens the keyboard."""
    keys = keypad(texts) if len(answer.read) == 1 else number_keyboard(texts)
    await _quietly(context.bot.edit_message_reply_markup(answer.chat, answer.message, reply_markup=keys))
    if len(answer.read) > 1:
        prompt = await context.bot.send_message(
            answer.chat,
            texts("feedback-which", digits=answer.read),
            reply_parameters=ReplyParameters(answer.message, allow_sending_without_reply=True),
            reply_markup=ForceReply(selective=True),
        )
        _feedback(context).note_prompt(prompt, answer.message)


async def _contribute(user: int, answer: JudgedAnswer, right: str, context: BotContext) -> str:
    """Reads the picture again, because pictures are not stored, and stores its digits."""
    services = context.services
    model = services.models.current
    if model is None:
        return "no-model"
    if not await services.limit.admit(answer.chat):
        return "limited"
    try:
        async with services.room_for(answer.size):
            data = await download(Attachment(answer.file, answer.size), context)
    except BadRequest:
        return "gone"
    reading = await services.models.read(model, data)
    return _feedback(context).contribute(user, answer, reading, model, right)


async def _set_keyboard(answer: JudgedAnswer, context: BotContext, texts: Texts, asks: bool) -> None:
    shown = (answer.chat, answer.message) in context.services.shown
    keys = answer_keyboard(texts, None if shown else answer.version, asks, answer.sure)
    await _quietly(context.bot.edit_message_reply_markup(answer.chat, answer.message, reply_markup=keys))


async def _say(update: Update, context: BotContext, key: str | None) -> None:
    """Acknowledges a pressed button, with or without a text."""
    assert update.callback_query is not None
    text = None if key is None else context.texts(update)(key)
    await _quietly(update.callback_query.answer(text, show_alert=text is not None and len(text) > _SHORT))


async def _quietly(call: Awaitable[Any]) -> None:
    """Makes a call that Telegram may refuse: a message is gone or unchanged, or a button was pressed long ago."""
    try:
        await call
    except BadRequest as error:
        log.info("a message or button could not be changed", extra={"reason": error.message})


def _feedback(context: BotContext) -> Feedback:
    feedback = context.services.feedback
    assert feedback is not None  # (these handlers are registered only with feedback)
    return feedback
