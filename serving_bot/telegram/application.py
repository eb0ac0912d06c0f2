"""The bot as an application of the Telegram library: settings and wiring."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from telegram import Update
from telegram.ext import AIORateLimiter, Application, ContextTypes, ExtBot, SimpleUpdateProcessor

from serving_bot.telegram.context import BotContext, Services
from serving_bot.telegram.handlers import add_handlers
from serving_bot.telegram.journal import Journal
from serving_bot.telegram.judging import add_feedback_handlers
from serving_bot.telegram.network import Contact, PatientRequest, PollingRequest, Take

API_URL = "https://api.telegram.org"
UPDATES_AT_A_TIME = 64
CONNECTIONS = 24  # more would slow every request, because the HTTP client searches the idle ones
FLOOD_RETRIES = 60  # how often a request obeys a ``retry_after`` before it gives up


@dataclass(frozen=True)
class BotSettings:
    """The bot's settings."""

    token: str = field(repr=False)  # the bot's token from @BotFather
    push_dir: str  # the push folder, local or any address that fsspec can open
    webhook_url: str | None = None  # public https address for Telegram to call; None to poll
    webhook_port: int = 8080  # local port of the webhook behind that address
    metrics_port: int | None = None  # port of ``/metrics`` and ``/healthz``; None for neither
    listen: str = "127.0.0.1"  # the address both listen on
    admin_chat: int | None = None  # the chat to notify about broken versions
    allowed_chats: frozenset[int] = frozenset()  # the only chats that are answered; empty for all
    pictures_per_minute: int = 30  # maximum pictures per minute and chat
    threads: int = 2  # number of pictures read at a time
    api_url: str = API_URL  # the Bot API server, Telegram's or your own
    log_level: str = "INFO"  # ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``
    groups: str = "answer"  # ``answer`` what is meant for the bot in groups, or ``ignore`` them
    # folder that records received pictures until they are answered; None for ``bot_state`` in the current folder, or
    # for memory if that is not writable
    state_dir: Path | None = None
    feedback_dir: str | None = (
        None  # storage for corrections, local or any address that fsspec can open; None not to ask
    )
    feedback_key_file: Path | None = None  # keys for contributors' codes; None for a file in the state folder
    feedback_per_day: int = 200  # maximum digits from one person in 24 hours
    mini_app: bool = True  # serve the page beside the webhook

    @property
    def mini_app_url(self) -> str | None:
        """Where the page is: below the webhook's public address; None without it."""
        if self.webhook_url is None or not self.mini_app:
            return None
        parts = urlsplit(self.webhook_url)
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/app/"


class _Processor(SimpleUpdateProcessor):
    """Records finished updates. One that a stop interrupts is not finished; an album's, not before its answer."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(UPDATES_AT_A_TIME)
        self._journal = journal

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        await coroutine
        if isinstance(update, Update) and (update.message is None or update.message.media_group_id is None):
            self._journal.answered(update.update_id)


TelegramApplication = Application[ExtBot[Any], BotContext, dict[Any, Any], dict[Any, Any], Services, Any]


def build(settings: BotSettings, services: Services, contact: Contact, take: Take) -> TelegramApplication:
    """Wires the Telegram application: requests, limits, context and handlers. Starts nothing."""
    application: Any = (
        Application.builder()
        .token(settings.token)
        .base_url(f"{settings.api_url.rstrip('/')}/bot")
        .base_file_url(f"{settings.api_url.rstrip('/')}/file/bot")
        .request(PatientRequest(contact, read_timeout=10, pool_timeout=30, connection_pool_size=CONNECTIONS))
        .get_updates_request(PollingRequest(contact, take, connection_pool_size=2))
        .rate_limiter(AIORateLimiter(max_retries=FLOOD_RETRIES))
        .concurrent_updates(_Processor(services.journal))
        .context_types(ContextTypes(context=BotContext))
        .build()
    )
    application.bot_data = services
    if services.feedback is not None:
        add_feedback_handlers(application)
    add_handlers(application, settings.admin_chat)
    return application  # type: ignore[no-any-return]
