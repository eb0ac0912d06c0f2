"""The webhook: the address that Telegram calls with each update."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

OnUpdate = Callable[[dict[str, Any]], Awaitable[None]]


class _WebhookHandler(RequestHandler):
    def initialize(self, secret: str, on_update: OnUpdate) -> None:
        self._secret = secret
        self._on_update = on_update

    async def post(self) -> None:
        given = self.request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            return self.send_error(403)
        try:
            update = json.loads(self.request.body)
            update["update_id"] = int(update["update_id"])
        except (ValueError, TypeError, KeyError):
            return self.send_error(400)
        await self._on_update(update)
        return None


def serve_webhook(path: str, secret: str, on_update: OnUpdate, port: int, address: str) -> HTTPServer:
    """Serves the webhook from the running event loop; an update is confirmed when ``on_update`` returns.

    Raises:
        OSError: the port is taken.
    """
    arguments = {"secret": secret, "on_update": on_update}
    application = Application([(f"/{path.strip('/')}/?", _WebhookHandler, arguments)], log_function=lambda _: None)
    return application.listen(port, address)
