"""Tells people, if they want it, what a new version has learned from their corrections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import numpy as np
from telegram import Bot
from telegram.error import BadRequest, Forbidden, TelegramError

from serving_bot.feedback.outbox import Listener
from serving_bot.feedback.store import Entry
from serving_bot.telegram.context import Services
from serving_bot.telegram.feedback import PATIENCE_S, Feedback
from serving_bot.versions.hot_swap import ServedModel

log = logging.getLogger(__name__)

PAUSE_S = 1.0  # between two messages


class Telling:
    """Sends each listener one message about a version that reads more of their corrected digits than they were told.

    A message is committed before it is sent: a kill in between loses it, and a restart never repeats it.

    Attributes:
        told: the last version for which all listeners have been handled, since the start.
    """

    def __init__(self, bot: Bot, services: Services) -> None:
        self._bot = bot
        self._services = services
        self.told = 0
        self._wake = asyncio.Event()

    def look(self) -> None:
        """Starts to tell if a newer version is in service."""
        model = self._services.models.current
        if model is not None and model.version.number > self.told:
            self._wake.set()

    async def run(self, feedback: Feedback) -> None:
        """Tells when `look` finds a newer version, until it is cancelled."""
        complained = False
        while True:
            await self._wake.wait()
            self._wake.clear()
            model = self._services.models.current
            if model is None:
                continue
            try:
                while listener := feedback.outbox.next_listener(model.version.number):
                    if await self._tell(listener, model, feedback):
                        await asyncio.sleep(PAUSE_S)
                self.told, complained = model.version.number, False
            except Exception as error:  # store clients raise various errors
                if not complained:
                    log.warning("cannot tell what was learned; trying again", extra={"reason": str(error)})
                complained = True
                await asyncio.sleep(PATIENCE_S)
                self._wake.set()

    async def _tell(self, listener: Listener, model: ServedModel, feedback: Feedback) -> bool:
        """Handles one listener; whether a message was sent."""
        services, version = self._services, model.version.number
        names = feedback.contributors.names(listener.chat)  # (a private chat has the number of its user)
        loop = asyncio.get_running_loop()
        entries = [one for name in names for one in await loop.run_in_executor(None, feedback.store.entries, name)]
        right, count = await services.models.run(count_learned, entries, model)
        news = right > listener.learned and not (services.allowed_chats and listener.chat not in services.allowed_chats)
        if not feedback.outbox.note_told(listener, version, right if news else listener.learned) or not news:
            return False
        text = services.languages.of(listener.language)("learned", right=right, count=count)
        try:
            await self._bot.send_message(listener.chat, text)
        except (Forbidden, BadRequest) as error:
            log.info("a person who wanted to hear cannot be reached", extra={"reason": error.message})
            feedback.outbox.drop_listener(listener)
            return False
        except TelegramError as error:
            log.warning("a person was not told what was learned", extra={"reason": str(error)})
            return False
        services.metrics.told.inc()
        return True


def count_learned(entries: Sequence[Entry], model: ServedModel) -> tuple[int, int]:
    """How many of the digits corrected under older versions a model classifies correctly, and their number.

    Rejected corrections do not count; reviewed ones count with the reviewed label.
    """
    labelled = [
        (entry.contribution, entry.review.digit if entry.review else entry.contribution.said)
        for entry in entries
        if entry.state != "rejected" and entry.contribution.version < model.version.number
    ]
    corrected = [(one.image, digit) for one, digit in labelled if digit is not None and digit != one.answered]
    if not corrected:
        return 0, 0
    answers = model.predict(np.stack([image for image, _ in corrected])).argmax(axis=1)
    return sum(int(answer) == digit for answer, (_, digit) in zip(answers, corrected, strict=True)), len(corrected)
