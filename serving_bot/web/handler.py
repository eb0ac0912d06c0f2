"""Shared by the web server's handlers: services, and answers and errors as JSON."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiolimiter import AsyncLimiter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler

from serving_bot.reading.decoding import MAX_BYTES
from serving_bot.versions.hot_swap import ModelServer, ServedModel

MOST_BYTES = MAX_BYTES + 2**16
"""Of a body: the largest picture, and what a form puts around it."""

REMEMBERED_CLIENTS = 10_000
_NO_MODEL = "No model has been pushed yet. Push one (`make run`)."


class WebMetrics:
    """The server's counters, in the given registry or a separate one."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
        self.registry = registry
        self.requests = Counter(
            "digits_web_requests", "Requests, by path and status", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "digits_web_seconds",
            "From the request to its answer",
            ["path"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )
        self.version = Gauge("digits_web_model_version", "The version in service; 0 for none", registry=self.registry)


@dataclass
class WebServices:
    """The handlers' services."""

    scheme: ClassVar[str] = "Bearer"  # of the header Authorization

    models: ModelServer
    token: str | None = None  # required from every request except the page's and /healthz
    per_minute: int = 600  # requests with a body per minute and client
    most_bytes: int = MOST_BYTES  # of a body
    metrics: WebMetrics = field(default_factory=WebMetrics)
    clients: OrderedDict[str, AsyncLimiter] = field(default_factory=OrderedDict)

    def client(self, request: HTTPServerRequest) -> str:
        """Identifies the client.

        Raises:
            HTTPError: 401, the token is missing or wrong.
        """
        given = request.headers.get("Authorization", "")
        if self.token and not hmac.compare_digest(given.encode(), f"{self.scheme} {self.token}".encode()):
            raise HTTPError(401, reason="The header Authorization must have a bearer token.")
        return request.remote_ip or ""

    async def enter(self, client: str) -> None:
        """Admits a body from this client.

        Raises:
            HTTPError: 429, the client has sent too many in the last minute.
        """
        bucket = self.clients.setdefault(client, AsyncLimiter(self.per_minute, 60))
        self.clients.move_to_end(client)
        if len(self.clients) > REMEMBERED_CLIENTS:
            self.clients.popitem(last=False)
        if not bucket.has_capacity():
            raise HTTPError(429, reason="Too many requests from this address; try again in a minute.")
        await bucket.acquire()

    def leave(self, client: str) -> None:
        """Releases an admitted body."""


class Handler(RequestHandler):
    """Answers and errors as JSON."""

    open_to_all = False

    def initialize(self, services: WebServices) -> None:
        """Keeps the services."""
        self.services = services

    def prepare(self) -> None:
        """Identifies the client, unless the address is open to all."""
        self.client = "" if self.open_to_all else self.services.client(self.request)

    @property
    def model(self) -> ServedModel:
        """The model in service."""
        if self.services.models.current is None:
            raise HTTPError(503, reason=_NO_MODEL)
        return self.services.models.current

    def set_default_headers(self) -> None:
        """Sets JSON, unless a handler overrides it."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Type", "application/json")
        self.clear_header("Server")

    def write_error(self, status_code: int, **facts: Any) -> None:
        """Answers with {"error": message}."""
        error = facts.get("exc_info", (None, None, None))[1]
        reason = error.reason if isinstance(error, HTTPError) else None
        if status_code == 405:
            allowed = [name for name in ("GET", "POST") if name.lower() in vars(type(self))]
            self.set_header("Allow", ", ".join(allowed))
        if status_code == 401:
            self.set_header("WWW-Authenticate", self.services.scheme)
        self.set_status(status_code)  # (the message is in the body, not in the status line)
        self.finish(
            {
                "error": reason
                or {404: "This address does not exist.", 405: "This address does not support this method."}.get(
                    status_code, "Something went wrong; see the server's log."
                )
            }
        )

    def on_finish(self) -> None:
        """Counts the request."""
        path = getattr(type(self), "path", "other")
        self.services.metrics.requests.labels(path, self.get_status()).inc()
        self.services.metrics.seconds.labels(path).observe(self.request.request_time())
