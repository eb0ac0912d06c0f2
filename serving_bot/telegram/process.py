"""The bot as a process: started, watched and stopped."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
from typing import Any
from urllib.parse import urlsplit

from telegram import BotCommand
from telegram.error import Conflict, InvalidToken, NetworkError, TelegramError
from tornado.httpserver import HTTPServer

from serving_bot.telegram.albums import Albums
from serving_bot.telegram.application import BotSettings, build
from serving_bot.telegram.context import PictureLimit, Services
from serving_bot.telegram.logs import Redactor, set_up_logging
from serving_bot.telegram.memory import give_back_freed_memory
from serving_bot.telegram.metrics import Metrics, serve_metrics
from serving_bot.telegram.network import Contact, RefusedTokenError
from serving_bot.telegram.texts import LANGUAGES, Languages
from serving_bot.versions.hot_swap import FailedVersion, ModelServer

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.1
"""Under load updates then come several at a time; a lone photo waits this long at most."""

ADMIN_LANGUAGE = "en"
YIELD_S = 30.0
"""A bot that meets another poller this soon after its start gives way; later the newcomer is expected to."""

STOP_S = 25.0
"""How long a stop waits for answers; container engines and systemd kill later than this."""

SILENCE_S = 90.0
"""Polling answers at least every ten seconds; after so long without any the health check fails."""

REFUSED = (
    "Telegram does not accept the token. Take it from @BotFather again "
    "and give it in TELEGRAM_BOT_TOKEN or --token-file."
)
CONFLICT = "Another program is already receiving this bot's messages. Stop it, or get a token of its own for this one."


class BotError(Exception):
    """The bot cannot start or go on; the message is one sentence for the person who started it."""


class BotProcess:
    """The running bot: the Telegram application, the watcher of the pushed folder and the metrics.

    Attributes:
        ended: done when the bot is to stop; holds the BotError if it cannot go on.
    """

    def __init__(self, settings: BotSettings, webhook_secret: str) -> None:
        self._settings = settings
        self._webhook_secret = webhook_secret
        self._metrics = Metrics()
        self._contact = Contact(self._metrics.network_failures.inc)
        self._services = Services(
            models=ModelServer(settings.push_dir, settings.threads),
            languages=Languages(),
            metrics=self._metrics,
            limit=PictureLimit(settings.pictures_per_minute),
            albums=Albums(),
            allowed_chats=settings.allowed_chats,
        )
        self._application = build(settings, self._services, self._contact)
        self._http: HTTPServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._reports: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._met_other_poller = False
        self.ended: asyncio.Future[None] = self._loop.create_future()

    async def start(self) -> None:
        """Loads the newest model, greets Telegram and begins to receive updates.

        Raises:
            BotError: the token is refused, or a port is taken.
        """
        models = self._services.models
        self._listen_for_metrics()
        first_look = self._loop.run_in_executor(None, models.refresh)
        try:
            await self._initialize()
        finally:
            failures = await first_look
        await self._application.start()
        self._on_refresh(failures)
        if models.current is None:
            log.warning(
                "no model has been pushed yet; telling users so until one is",
                extra={"push_dir": models.push_dir},
            )
        await self._receive()
        remote = "://" in self._settings.push_dir
        self._tasks.append(asyncio.create_task(models.watch(15.0 if remote else 1.0, self._on_refresh)))
        self._tasks.append(asyncio.create_task(self._name_commands()))
        log.info("ready", extra={"bot": self._application.bot.username})

    async def stop(self) -> None:
        """Stops receiving, answers what was received and lets go of everything."""
        for task in self._tasks:
            task.cancel()
        application = self._application
        if self.ended.done() and self.ended.exception() is not None:
            # Confirming the last updates fails for the reason that ends the bot; one sentence on it is enough.
            logging.getLogger("telegram.ext.Updater").setLevel(logging.CRITICAL)
        if application.updater is not None and application.updater.running:
            await application.updater.stop()
        try:
            await asyncio.wait_for(self._finish(), STOP_S)
        except asyncio.TimeoutError:
            log.warning("stopped with updates unanswered: Telegram took too long")
        await application.shutdown()
        if self._http is not None:
            self._http.stop()
        self._services.models.close()
        log.info("stopped")

    async def _finish(self) -> None:
        if self._application.running:
            await self._application.stop()
        await self._services.albums.finish()
        await asyncio.gather(*self._reports)

    def _listen_for_metrics(self) -> None:
        settings = self._settings
        if settings.metrics_port is None:
            return
        try:
            self._http = serve_metrics(self._metrics, self._health, settings.metrics_port, settings.listen)
        except OSError as error:
            raise BotError(
                f"Cannot listen on {settings.listen}:{settings.metrics_port} for metrics ({error.strerror}). "
                "Choose another --metrics-port."
            ) from error

    async def _initialize(self) -> None:
        while True:
            try:
                return await self._application.initialize()
            except InvalidToken:
                raise BotError(REFUSED) from None  # PTB's text holds the token
            except NetworkError as error:  # PatientRequest has tried for minutes; go on until stopped
                log.warning("still cannot reach Telegram", extra={"reason": str(error)})

    async def _receive(self) -> None:
        settings, updater = self._settings, self._application.updater
        assert updater is not None  # this application is built with one
        kinds = ["message", "callback_query"]
        if settings.webhook_url is None:
            await updater.start_polling(
                poll_interval=POLL_INTERVAL_S,
                bootstrap_retries=-1,
                allowed_updates=kinds,
                error_callback=self._on_polling_error,
            )
            return
        try:
            await updater.start_webhook(
                listen=settings.listen,
                port=settings.webhook_port,
                url_path=urlsplit(settings.webhook_url).path.lstrip("/"),
                webhook_url=settings.webhook_url,
                secret_token=self._webhook_secret,
                bootstrap_retries=2,
                allowed_updates=kinds,
            )
        except OSError as error:
            raise BotError(
                f"Cannot listen on {settings.listen}:{settings.webhook_port} for the webhook "
                f"({error.strerror}). Choose another --webhook-port."
            ) from error
        except TelegramError as error:
            raise BotError(f"Telegram does not accept the webhook {settings.webhook_url}: {error.message}.") from None

    async def _name_commands(self) -> None:
        """Tells Telegram the commands, for its menu. The bot works without."""
        try:
            for language in LANGUAGES:
                texts = self._services.languages.of(language)
                commands = [BotCommand(name, texts(f"command-{name}")) for name in ("start", "help", "model")]
                await self._application.bot.set_my_commands(
                    commands, language_code=None if texts is self._services.languages.of(None) else language
                )
        except TelegramError as error:
            log.warning("could not set the menu of commands", extra={"reason": str(error)})

    def _health(self) -> dict[str, Any]:
        model = self._services.models.current
        silence = self._contact.silence
        return {
            "healthy": self._settings.webhook_url is not None or silence < SILENCE_S,
            "model": model.version.number if model is not None else None,
            "telegram_silence_s": round(silence, 1),
        }

    def _on_refresh(self, failures: list[FailedVersion]) -> None:
        current = self._services.models.current
        self._metrics.model_version.set(current.version.number if current is not None else 0)
        for failure in failures:
            self._metrics.broken_versions.inc()
            if self._settings.admin_chat is not None:
                report = asyncio.create_task(self._report(self._settings.admin_chat, failure))
                self._reports.add(report)
                report.add_done_callback(self._reports.discard)

    async def _report(self, chat: int, failure: FailedVersion) -> None:
        current = self._services.models.current
        text = self._services.languages.of(ADMIN_LANGUAGE)(
            "admin-broken" if current is not None else "admin-broken-no-model",
            version=str(failure.version.number),
            reason=failure.reason[:500],
            current=current.version.number if current is not None else None,
        )
        try:
            await self._application.bot.send_message(chat, text)
        except TelegramError as error:
            log.warning("could not report to the admin chat", extra={"reason": str(error)})

    def _on_polling_error(self, error: TelegramError) -> None:
        """Ends the bot when it cannot go on. Outages are logged by Contact and repeated by the Updater."""
        if isinstance(error, RefusedTokenError):
            self._end(BotError(REFUSED))
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


async def serve(settings: BotSettings, webhook_secret: str = "") -> None:
    """Runs the bot until SIGINT or SIGTERM; a second signal ends it at once.

    Raises:
        BotError: it cannot start or go on.
    """
    bot = BotProcess(settings, webhook_secret)
    loop = asyncio.get_running_loop()

    def end() -> None:
        if not bot.ended.done():
            bot.ended.set_result(None)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    starting = asyncio.create_task(bot.start())
    try:
        await asyncio.wait({starting, bot.ended}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        else:
            starting.cancel()  # told to stop before it was up
        await bot.ended
    finally:
        await asyncio.gather(starting, return_exceptions=True)
        await bot.stop()


def run(settings: BotSettings) -> None:
    """Runs the bot until it is told to stop, logging JSON lines to stderr.

    Raises:
        BotError: it cannot start or go on.
    """
    give_back_freed_memory()
    webhook_secret = secrets.token_urlsafe(32)
    set_up_logging(settings.log_level, Redactor(settings.token, webhook_secret))
    try:
        asyncio.run(serve(settings, webhook_secret))
    except BotError:
        raise
    except Exception:
        log.critical("unexpected error", exc_info=True)
        raise BotError("An unexpected error ended the bot; the last log line says which.") from None
