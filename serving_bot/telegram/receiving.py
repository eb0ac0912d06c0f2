"""Receives updates, by polling or a webhook, and decides when to give up."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import urlsplit

from telegram import Update
from telegram.error import Conflict, NetworkError, TelegramError
from tornado.httpserver import HTTPServer

from serving_bot.telegram.application import API_URL, BotSettings, TelegramApplication
from serving_bot.telegram.intake import Intake
from serving_bot.telegram.mini_app import MiniAppServices, rules
from serving_bot.telegram.network import NoBotApiError, RefusedTokenError
from serving_bot.telegram.webhook import serve_webhook
from workers import UserError

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.1  # under load, updates then come in batches; a single photo waits at most this long
YIELD_S = 30.0  # a bot that meets another poller this soon after its start gives way; later, the other should
UPDATE_KINDS = ["message", "callback_query"]
FEEDBACK_KINDS = [*UPDATE_KINDS, "message_reaction"]

REFUSED = (
    "Telegram does not accept the token. Get it from @BotFather again "
    "and give it in TELEGRAM_BOT_TOKEN or --token-file."
)
CONFLICT = "Another program is already receiving this bot's messages. Stop it, or get a separate token for this bot."


class BotError(UserError):
    """The bot cannot start or continue."""


class Receiver:
    """Receives updates for an application.

    Attributes:
        ended: done when the bot should stop; holds the BotError if it cannot continue.
        webhook: the server of the webhook; None without one.
    """

    def __init__(
        self, settings: BotSettings, application: TelegramApplication, intake: Intake, webhook_secret: str
    ) -> None:
        self._settings = settings
        self._application = application
        self._intake = intake
        self._webhook_secret = webhook_secret
        self._kinds = FEEDBACK_KINDS if settings.feedback_dir is not None else UPDATE_KINDS
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._met_other_poller = False
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.webhook: HTTPServer | None = None

    async def start(self) -> None:
        """Starts to receive, by polling or a webhook.

        Raises:
            BotError: a port is taken, or Telegram does not accept the webhook.
        """
        settings, updater = self._settings, self._application.updater
        assert updater is not None  # (this application has one)
        if settings.webhook_url is not None:
            return await self._start_webhook(settings.webhook_url)
        await updater.start_polling(
            poll_interval=POLL_INTERVAL_S,
            bootstrap_retries=-1,
            allowed_updates=self._kinds,
            error_callback=self._on_polling_error,
        )
        return None

    async def _start_webhook(self, url: str) -> None:
        settings = self._settings
        try:
            server = serve_webhook(
                urlsplit(url).path,
                self._webhook_secret,
                self.receive,
                settings.webhook_port,
                settings.listen,
                self._mini_app(),
            )
        except OSError as error:
            raise BotError(
                f"Cannot listen on {settings.listen}:{settings.webhook_port} for the webhook "
                f"({error.strerror}). Choose another --webhook-port."
            ) from error
        self.webhook = server
        try:
            await self._application.bot.set_webhook(url, secret_token=self._webhook_secret, allowed_updates=self._kinds)
        except TelegramError as error:
            raise BotError(f"Telegram does not accept the webhook {url}: {error.message}.") from None

    def _mini_app(self) -> list[Any]:
        address = self._settings.mini_app_url
        if address is None:
            return []
        return rules(address, MiniAppServices(self._application.bot_data, self._settings.token))

    async def receive(self, raw: dict[str, Any]) -> None:
        """Records an update and passes it to the handlers."""
        await self.enqueue(self._intake.take([raw]))

    async def enqueue(self, updates: list[dict[str, Any]]) -> None:
        """Passes updates to the handlers."""
        for raw in updates:
            await self._application.update_queue.put(Update.de_json(raw, self._application.bot))

    def _on_polling_error(self, error: TelegramError) -> None:
        """Ends the bot if it cannot continue. After outages, which Contact logs, the Updater retries."""
        if isinstance(error, RefusedTokenError):
            self._end(BotError(self.refused()))
        elif isinstance(error, NoBotApiError):
            self._end(BotError(self.no_bot_api(error)))
        elif isinstance(error, Conflict):
            if self._loop.time() - self._started < YIELD_S:
                self._end(BotError(CONFLICT))
            elif not self._met_other_poller:
                self._met_other_poller = True
                log.warning(CONFLICT)
        elif not isinstance(error, NetworkError):
            log.warning("polling failed; trying again", extra={"reason": str(error)})

    def _end(self, error: BotError) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)

    def refused(self) -> str:
        """The message about a refused token."""
        own = self._settings.api_url != API_URL
        return REFUSED + (f" If {self._settings.api_url} is not a Bot API, correct --api-url." if own else "")

    def no_bot_api(self, error: NoBotApiError) -> str:
        """The message about an address that redirects."""
        return f"{self._settings.api_url} is not a Bot API ({error.message}). Correct --api-url."
