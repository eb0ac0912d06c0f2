"""The Telegram bot as a process: built in one place, started, watched and stopped."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from telegram.ext import AIORateLimiter, Application, ContextTypes, ExtBot

from serving_bot.telegram.context import BotContext, Services
from serving_bot.telegram.handlers import add_handlers
from serving_bot.telegram.network import Contact, PatientRequest, PollingRequest

log = logging.getLogger(__name__)

API_URL = "https://api.telegram.org"
UPDATES_AT_A_TIME = 64
CONNECTIONS = 24
"""More cost time with every request, as the HTTP client looks through the idle ones."""

FLOOD_RETRIES = 60
"""How often one request obeys a ``retry_after`` before it is given up."""


@dataclass(frozen=True)
class BotSettings:
    """Everything that can be chosen about the bot.

    Attributes:
        token: the bot's token from @BotFather.
        push_dir: the pushed folder, local or any address fsspec opens.
        webhook_url: public https address that Telegram is to call; None to poll.
        webhook_port: where the webhook listens behind that address.
        metrics_port: where ``/metrics`` and ``/healthz`` listen; None for nowhere.
        listen: the address both listen on.
        admin_chat: the chat that is told of broken versions.
        allowed_chats: the only chats that are answered; empty for all.
        pictures_per_minute: how many pictures one chat may send.
        threads: how many pictures are read at a time.
        api_url: the Bot API server, Telegram's or one's own.
        log_level: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``.
    """

    token: str = field(repr=False)
    push_dir: str
    webhook_url: str | None = None
    webhook_port: int = 8080
    metrics_port: int | None = None
    listen: str = "127.0.0.1"
    admin_chat: int | None = None
    allowed_chats: frozenset[int] = frozenset()
    pictures_per_minute: int = 30
    threads: int = 2
    api_url: str = API_URL
    log_level: str = "INFO"


TelegramApplication = Application[ExtBot[Any], BotContext, dict[Any, Any], dict[Any, Any], Services, Any]


def build(settings: BotSettings, services: Services, contact: Contact) -> TelegramApplication:
    """Wires the Telegram application: requests, limits, context and handlers. Starts nothing."""
    application: Any = (
        Application.builder()
        .token(settings.token)
        .base_url(f"{settings.api_url.rstrip('/')}/bot")
        .base_file_url(f"{settings.api_url.rstrip('/')}/file/bot")
        .request(PatientRequest(contact, read_timeout=10, pool_timeout=30, connection_pool_size=CONNECTIONS))
        .get_updates_request(PollingRequest(contact, connection_pool_size=2))
        .rate_limiter(AIORateLimiter(max_retries=FLOOD_RETRIES))
        .concurrent_updates(UPDATES_AT_A_TIME)
        .context_types(ContextTypes(context=BotContext))
        .build()
    )
    application.bot_data = services
    add_handlers(application)
    return application  # type: ignore[no-any-return]
