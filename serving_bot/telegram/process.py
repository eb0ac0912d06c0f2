"""The bot as a process: starting, monitoring and stopping it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
from typing import Any

from telegram.error import InvalidToken, TelegramError
from tornado.httpserver import HTTPServer

from serving_bot.telegram.admin import AdminChat
from serving_bot.telegram.albums import Albums
from serving_bot.telegram.application import BotSettings, build
from serving_bot.telegram.context import PictureLimit, Services, meant_for
from serving_bot.telegram.drawings import Drawings
from serving_bot.telegram.intake import Intake
from serving_bot.telegram.logs import Redactor, set_up_logging
from serving_bot.telegram.memory import give_back_freed_memory
from serving_bot.telegram.metrics import Metrics, serve_metrics
from serving_bot.telegram.network import Contact, NoBotApiError, delays
from serving_bot.telegram.profile import introduce
from serving_bot.telegram.receiving import BotError, Receiver
from serving_bot.telegram.state import open_feedback, open_journal
from serving_bot.telegram.telling import Telling
from serving_bot.telegram.texts import Languages
from serving_bot.versions.hot_swap import FailedVersion, ModelServer

log = logging.getLogger(__name__)


ADMIN_LANGUAGE = "en"

STOP_S = 25.0  # how long a stop waits for answers; container engines and systemd kill later
SILENCE_S = 90.0  # the health check fails after so long without an answer; polling gets one at least every ten seconds
LONGEST_WAIT_S = 120.0  # the health check fails if a picture waits longer than this for an answer


class BotProcess:
    """The running bot: the Telegram application, the watcher of the push folder, and the metrics.

    Attributes:
        ended: done when the bot should stop; holds the BotError if it cannot continue.
    """

    def __init__(self, settings: BotSettings, webhook_secret: str) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._contact = Contact(self._metrics.network_failures.inc)
        self._services = Services(
            models=ModelServer(settings.push_dir, settings.threads),
            languages=Languages(),
            metrics=self._metrics,
            limit=PictureLimit(settings.pictures_per_minute),
            albums=Albums(),
            journal=open_journal(settings),
            answer_groups=settings.groups == "answer",
            allowed_chats=settings.allowed_chats,
            mini_app=settings.mini_app_url,
            health=self._health,
            feedback=open_feedback(settings, self._metrics),
        )
        intake = Intake(
            self._services.journal,
            self._services.admits,
            lambda message: meant_for(message, self._application.bot),
            lambda: self._application.bot.username,
            self._on_unreadable,
            notes_feedback=settings.feedback_dir is not None,
        )
        self._application = build(settings, self._services, self._contact, intake.take)
        self._admin = AdminChat(self._application.bot, settings.admin_chat, self._services.languages.of(ADMIN_LANGUAGE))
        self._http: HTTPServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._complaint: str | None = None
        self._met_unreadable = False
        self._loop = asyncio.get_running_loop()
        self._receiver = Receiver(settings, self._application, intake, webhook_secret)
        self._services.drawings = Drawings(self._application.bot, self._receiver.receive)
        self.ended = self._receiver.ended
        self._telling = Telling(self._application.bot, self._services)

    async def start(self) -> None:
        """Loads the newest model, connects to Telegram and starts to receive updates.

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
        left_over = self._services.journal.unanswered()
        if left_over:
            log.info("taking up pictures that an earlier run left unanswered", extra={"count": len(left_over)})
            await self._receiver.enqueue(left_over)
        await self._receiver.start()
        self._tasks.append(asyncio.create_task(models.watch(self._on_refresh)))
        introducing = introduce(self._application.bot, self._services.languages, self._settings)
        self._tasks.append(asyncio.create_task(introducing))
        if self._services.feedback is not None:
            self._tasks.append(asyncio.create_task(self._services.feedback.deliver()))
            self._tasks.append(asyncio.create_task(self._telling.run(self._services.feedback)))
        log.info("ready", extra={"bot": self._application.bot.username})

    async def stop(self) -> None:
        """Stops receiving, answers the received updates, and releases all resources."""
        for task in self._tasks:
            task.cancel()
        for server in (self._http, self._receiver.webhook):
            if server is not None:
                server.stop()
        application = self._application
        if self.ended.done() and self.ended.exception() is not None:
            # Confirming the last updates fails for the same reason that ends the bot; one message about it is enough.
            logging.getLogger("telegram.ext.Updater").setLevel(logging.CRITICAL)
        if application.updater is not None and application.updater.running:
            await application.updater.stop()
        try:
            await asyncio.wait_for(self._finish(), STOP_S)
        except asyncio.TimeoutError:
            log.warning("stopped with updates unanswered: Telegram took too long")
        await application.shutdown()
        if self._services.feedback is not None:
            await self._services.feedback.finish()
        self._services.models.close()
        self._services.journal.close()
        log.info("stopped")

    async def _finish(self) -> None:
        if self._application.running:
            await self._application.stop()
        await self._services.albums.finish()
        await self._admin.finish()

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
        """Connects to Telegram, and retries unless it can never succeed."""
        complaint = None
        for delay in delays(float("inf")):
            try:
                await self._application.initialize()
            except InvalidToken:
                raise BotError(self._receiver.refused()) from None  # PTB's text contains the token
            except NoBotApiError as error:
                raise BotError(self._receiver.no_bot_api(error)) from None
            except TelegramError as error:  # an outage that outlasted PatientRequest, or a refusal
                if str(error) != complaint:
                    complaint = str(error)
                    log.warning("cannot start yet; trying again until Telegram lets it", extra={"reason": complaint})
            else:
                return
            await asyncio.sleep(delay)

    def _health(self) -> dict[str, Any]:
        model = self._services.models.current
        silence = self._contact.silence
        waited = self._services.journal.longest_wait
        return {
            "healthy": waited < LONGEST_WAIT_S and (self._settings.webhook_url is not None or silence < SILENCE_S),
            "model": model.version.number if model is not None else None,
            "telegram_silence_s": round(silence, 1),
            "longest_wait_s": round(waited, 1),
        }

    def _on_refresh(self, failures: list[FailedVersion]) -> None:
        current = self._services.models.current
        self._metrics.model_version.set(current.version.number if current is not None else 0)
        self._telling.look()
        for failure in failures:
            self._metrics.broken_versions.inc()
            self._admin.tell(
                "admin-broken" if current is not None else "admin-broken-no-model",
                version=str(failure.version.number),
                reason=failure.reason[:500],
                current=current.version.number if current is not None else None,
            )
        complaint = self._services.models.complaint
        if complaint is not None and complaint != self._complaint:
            self._admin.tell("admin-folder", reason=complaint[:500])
        self._complaint = complaint

    def _on_unreadable(self) -> None:
        self._metrics.unreadable_updates.inc()
        if not self._met_unreadable:
            self._met_unreadable = True
            self._admin.tell("admin-unreadable")


async def serve(settings: BotSettings, webhook_secret: str = "") -> None:
    """Runs the bot until SIGINT or SIGTERM; a second signal ends it immediately.

    Raises:
        BotError: it cannot start or continue.
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
            starting.cancel()  # stopped before it had started
        await bot.ended
    finally:
        await asyncio.gather(starting, return_exceptions=True)
        await bot.stop()


def run(settings: BotSettings) -> None:
    """Runs the bot until it is stopped, and logs JSON lines to stderr.

    Raises:
        BotError: it cannot start or continue.
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
        raise BotError("An unexpected error ended the bot; see the last log line.") from None
