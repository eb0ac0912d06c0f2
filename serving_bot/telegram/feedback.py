"""Feedback for the bot's handlers: consent, contributions, and their delivery to the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timezone

from telegram import Message

from serving_bot.feedback.alignment import align
from serving_bot.feedback.contribution import Contribution, FeedbackError
from serving_bot.feedback.contributors import Contributors
from serving_bot.feedback.outbox import JudgedAnswer, Listener, Outbox
from serving_bot.feedback.store import Store
from serving_bot.reading.answer import Reading
from serving_bot.telegram.metrics import Metrics
from serving_bot.versions.hot_swap import ServedModel

log = logging.getLogger(__name__)

MOST_DIGITS = 40  # longer answers are not asked about: nobody corrects so many digits by hand
PATIENCE_S = 30.0  # seconds until the store is tried again
STORE_S = 5.0  # maximum seconds to wait for the store in /forget and at a stop
REMEMBERED_PROMPTS = 1_000


@dataclass
class Feedback:
    """The feedback handlers' shared state."""

    outbox: Outbox
    contributors: Contributors
    store: Store
    metrics: Metrics
    # the answer that each of the bot's questions for the right number is about
    prompts: OrderedDict[tuple[int, int], int] = field(default_factory=OrderedDict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def asks(self, user: int, read: str) -> bool:
        """Whether to ask a person if an answer is right; ``read`` is its digits."""
        return 0 < len(read) <= MOST_DIGITS and self.consent(user) is not False

    def note_answer(self, answer: JudgedAnswer) -> None:
        """Records an answer, so it can be judged."""
        try:
            self.outbox.note_answer(answer)
        except sqlite3.Error as error:
            log.error("an answer cannot be noted for feedback", extra={"reason": str(error)})

    def note_prompt(self, prompt: Message, answer: int) -> None:
        """Records which answer a question is about."""
        self.prompts[prompt.chat_id, prompt.message_id] = answer
        if len(self.prompts) > REMEMBERED_PROMPTS:
            self.prompts.popitem(last=False)

    def find_answer(self, chat: int, message: int) -> JudgedAnswer | None:
        """The answer in a message of the bot, or that it asks about; None if there is none, or it is too old."""
        return self.outbox.answer(chat, self.prompts.get((chat, message), message))

    def contribute(self, user: int, answer: JudgedAnswer, reading: Reading, model: ServedModel, right: str) -> str:
        """Stores a person's feedback on an answer, digit by digit.

        Args:
            user: their Telegram number.
            answer: the answer.
            reading: a new reading of the same picture.
            model: the model that read it.
            right: the right number; empty if there is none in the picture.

        Returns:
            A result of `Outbox.keep`; `too-different` if the number differs too much from the reading; `failed` if it
            could not be written.
        """
        digits = reading.digits
        said = align(reading.text.replace("\n", ""), right) if right else [None] * len(digits)
        if not said:
            return "too-different"
        contributions = [
            Contribution(
                id=self.contributors.contribution_id(answer.chat, answer.message, place),
                contributor=self._name(user),
                image=digit.image,
                said=label,
                answered=digit.digit,
                probability=digit.probability,
                version=model.version.number,
                at=datetime.now(timezone.utc),
            )
            for place, (digit, label) in enumerate(zip(digits, said, strict=True))
            if label is not None or not right
        ]
        try:
            result: str = self.outbox.keep(answer, contributions)
        except sqlite3.Error as error:
            log.error("a contribution could not be kept", extra={"reason": str(error)})
            result = "failed"
        self.metrics.feedback.labels(result).inc()
        self._wake.set()
        return result

    def consent(self, user: int) -> bool | None:
        """Whether a person has agreed that corrections are stored; None if they have not been asked."""
        return self.outbox.consent(self._name(user))

    def note_consent(self, user: int, given: bool, listener: Listener | None = None) -> None:
        """Records a person's decision; ``listener`` is set if they also want to be told what was learned."""
        self.outbox.note_consent(self._name(user), given, listener)

    def listens(self, user: int) -> bool:
        """Whether a person wants to be told what was learned."""
        return self.outbox.listens(self._name(user))

    def _name(self, user: int) -> str:
        """The contributor's code, which a rotation of the key does not change."""
        return self.outbox.known(self.contributors.names(user))

    async def forget(self, user: int) -> bool:
        """Deletes everything of a person; False if the store is unreachable and follows later."""
        self.outbox.forget(self.contributors.names(user))
        self._wake.set()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._delivered(), STORE_S)
        return not self.outbox.waiting()

    async def _delivered(self) -> None:
        while self.outbox.waiting():
            await asyncio.sleep(0.05)

    async def deliver(self) -> None:
        """Passes contributions to the store as they come, until cancelled; retries while it is unreachable."""
        loop = asyncio.get_running_loop()
        complained = False
        while True:
            self._wake.clear()
            try:
                await loop.run_in_executor(None, self.outbox.deliver, self.store)
                complained = False
                wait = None
            except Exception as error:  # store clients raise various errors
                wait = PATIENCE_S
                if not complained:
                    said = isinstance(error, FeedbackError)
                    reason = {"reason": str(error)} if said else {}
                    log.warning("the feedback folder cannot be used; trying again", exc_info=not said, extra=reason)
                complained = True
            self.metrics.feedback_waiting.set(self.outbox.waiting())
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)

    async def finish(self) -> None:
        """Passes on what it can in a few seconds, at a stop; the rest follows after the next start."""
        delivering = asyncio.get_running_loop().run_in_executor(None, self.outbox.deliver, self.store)
        try:
            await asyncio.wait_for(delivering, STORE_S)
        except Exception:  # the store is slow, or unreachable, which has been logged
            log.warning("contributions wait for the next start", extra={"count": self.outbox.waiting()})
        self.outbox.close()
