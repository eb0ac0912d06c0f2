"""The webhook, which Telegram calls with each update."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

MOST_BYTES = 2**23
"""Maximum size of an update (some kilobytes) or of a picture from the Mini App."""

SLOWEST_S = 60.0
"""Maximum seconds for a body, and for an idle connection."""

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


def serve_webhook(
    path: str, secret: str, on_update: OnUpdate, port: int, address: str, more: Sequence[Any] = ()
) -> HTTPServer:
    """Serves the webhook from the running event loop; an update is confirmed when ``on_update`` returns.

    Args:
        more: rules for other addresses on the same port.

    Raises:
        OSError: the port is taken.
    """
    arguments = {"secret": secret, "on_update": on_update}
    webhook = (f"/{path.strip('/')}/?", _WebhookHandler, arguments)
    application = Application([webhook, *more], log_function=lambda _: None)
    return application.listen(
        port, address, max_body_size=MOST_BYTES, body_timeout=SLOWEST_S, idle_connection_timeout=SLOWEST_S
    )
