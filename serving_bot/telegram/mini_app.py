"""The page of `digits serve` as a Mini App inside Telegram, beside the webhook.

The init data that Telegram signs identifies the user who opens the page in the bot's chat. A drawing is read while the
user draws, and sent to the chat on request.
"""

from __future__ import annotations

import time
from collections import Counter
from importlib import resources
from re import escape
from typing import Any, ClassVar
from urllib.parse import urlsplit

from telegram import Chat, User
from telegram.constants import ChatType
from telegram.error import BadRequest, Forbidden, TelegramError
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError

from serving_bot.telegram.context import Services
from serving_bot.telegram.init_data import InitDataError, user_of
from serving_bot.web.api import BodyHandler, ReadHandler
from serving_bot.web.handler import Handler, WebMetrics, WebServices
from serving_bot.web.state import PageHandler, StateHandler

MOST_BYTES = 2**22
"""Maximum size of a picture. The page shrinks photos to 1280 pixels, as Telegram does; drawings are far smaller."""

PER_MINUTE = 600
"""Maximum pictures per minute of one user while drawing."""

AT_ONCE, AT_ONCE_OF_ALL = 4, 32
"""Maximum pictures in memory, of one user and of all users. The page sends one at a time."""

SECURITY = (
    "default-src 'self'; script-src 'unsafe-inline' https://telegram.org; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; frame-ancestors https://*.telegram.org"
)


class MiniAppServices(WebServices):
    """The services of the page's handlers."""

    scheme: ClassVar[str] = "tma"

    def __init__(self, bot: Services, token: str) -> None:
        super().__init__(bot.models, None, PER_MINUTE, most_bytes=MOST_BYTES, metrics=WebMetrics(bot.metrics.registry))
        self.bot = bot
        self._bot_token = token
        self._inside: Counter[str] = Counter()

    def user(self, request: HTTPServerRequest) -> User:
        """The user who opened the page.

        Raises:
            HTTPError: 401 without valid init data, 403 for a chat that the bot does not answer.
        """
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        try:
            user = user_of(given if scheme == self.scheme else "", self._bot_token, time.time())
        except InitDataError as error:
            raise HTTPError(401, reason="Open this page again from the bot's chat in Telegram.") from error
        if not self.bot.admits(Chat(user.id, ChatType.PRIVATE)):
            raise HTTPError(403, reason=self.bot.languages.of(user.language_code)("not-allowed", chat=str(user.id)))
        return user

    def client(self, request: HTTPServerRequest) -> str:
        """Identifies the user: rates are per user, not per address."""
        return str(self.user(request).id)

    async def enter(self, client: str) -> None:
        """Admits a picture from this user.

        Raises:
            HTTPError: 429, there are too many in the last minute or at the same time.
        """
        if self._inside[client] >= AT_ONCE or self._inside.total() >= AT_ONCE_OF_ALL:
            raise HTTPError(429, reason="Too many pictures at once; try again in a moment.")
        await super().enter(client)
        self._inside[client] += 1

    def leave(self, client: str) -> None:
        """Releases an admitted picture."""
        self._inside[client] -= 1
        if not self._inside[client]:
            del self._inside[client]


class _PageHandler(PageHandler):
    """GET: the page."""

    security = SECURITY

    def get(self) -> None:
        self.show(render())


class _PictureHandler(BodyHandler):
    """POST: a picture for the user's chat."""

    path = "/picture"
    services: MiniAppServices

    async def post(self) -> None:
        bot, user = self.services.bot, self.services.user(self.request)
        texts = bot.languages.of(user.language_code)
        if not bot.limit.has_room(user.id):
            raise HTTPError(429, reason=texts("too-many-pictures"))
        try:
            await self.work(bot.drawings.post(user, bytes(self.body)))
        except (Forbidden, BadRequest) as error:
            unknown = isinstance(error, Forbidden) or "chat not found" in error.message.lower()
            raise HTTPError(403 if unknown else 422, reason=texts("not-started" if unknown else "no-photo")) from error
        except TelegramError as error:
            raise HTTPError(502, reason=texts("failed")) from error
        self.finish({})


def render() -> str:
    """The page with the Mini App's style and script."""
    page = resources.files("serving_bot.web").joinpath("page.html").read_text("utf-8")
    own = resources.files("serving_bot.telegram")
    style, script = (own.joinpath(f"mini_app.{kind}").read_text("utf-8") for kind in ("css", "js"))
    page = page.replace("</head>", f"<style>\n{style}</style>\n</head>", 1)
    return page.replace("<script>", f"<script>\n{script}</script>\n<script>", 1)


def rules(address: str, services: MiniAppServices) -> list[tuple[str, type[Handler], dict[str, Any]]]:
    """Tornado's rules for the page at this public address."""
    base, shared = escape(urlsplit(address).path), {"services": services}
    return [
        (base, _PageHandler, shared),
        (f"{base}read", ReadHandler, shared),
        (f"{base}(model)", StateHandler, shared),
        (f"{base}picture", _PictureHandler, shared),
    ]
