"""The review page: a small server that only this machine can reach."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

from serving_bot.feedback.contribution import FeedbackError
from serving_bot.feedback.snapshot import rate_contributors
from serving_bot.feedback.store import Entry, Store
from serving_bot.reading.classifier import Classifier
from serving_bot.versions.folder import NoPushedModelError
from serving_bot.versions.registry import asked_for

HOST = "127.0.0.1"
_SECURITY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"
)


def list_for_review(store: Store, classifier: Classifier | None) -> list[dict[str, Any]]:
    """The contributions without a review, as JSON values; those that the current model disagrees with most come first.

    Args:
        store: the contributions.
        classifier: the current model; None if none was pushed.
    """
    entries = store.entries()
    rates = rate_contributors(entries)
    waiting = [entry for entry in entries if entry.review is None]
    disagreement = _disagree(waiting, classifier)
    found = []
    for entry, share in sorted(zip(waiting, disagreement, strict=True), key=lambda pair: -pair[1]):
        one = entry.contribution
        reviewed, right = rates.get(one.contributor, (0, 0))
        found.append(
            {
                "id": one.id,
                "contributor": one.contributor[:8],
                "reviewed": reviewed,
                "right": right,
                "said": one.said,
                "answered": one.answered,
                "probability": one.probability,
                "version": one.version,
                "disagreement": round(share, 4),
                "image": "data:image/png;base64," + base64.b64encode(one.to_png()).decode(),
            }
        )
    return found


def _disagree(entries: list[Entry], classifier: Classifier | None) -> list[float]:
    """For each contribution, 1 minus the current model's probability of the contributor's label."""
    if classifier is None or not entries:
        return [float(entry.contribution.corrects) for entry in entries]
    probabilities = classifier.predict(np.stack([entry.contribution.image for entry in entries]))
    return [
        float(row.max() if entry.contribution.said is None else 1 - row[entry.contribution.said])
        for entry, row in zip(entries, probabilities, strict=True)
    ]


class _Page(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", _SECURITY)
        self.finish(resources.files("serving_bot.feedback").joinpath("review.html").read_bytes())


class _Local(RequestHandler):
    """Answers only this page: another site cannot name this server as its host."""

    def initialize(self, store: Store, classifier: Classifier | None) -> None:
        self.store, self.classifier = store, classifier

    def prepare(self) -> None:
        if self.request.host_name not in (HOST, "localhost"):
            raise HTTPError(403)

    def write_error(self, status_code: int, **details: Any) -> None:
        error = details.get("exc_info", (None, None, None))[1]
        reason = str(error) if isinstance(error, FeedbackError) else self._reason
        self.finish({"error": reason})


class _Contributions(_Local):
    def get(self) -> None:
        self.finish({"contributions": list_for_review(self.store, self.classifier)})


class _Review(_Local):
    def post(self, contribution_id: str) -> None:
        if self.request.headers.get("Content-Type") != "application/json":  # a form of another site cannot send it
            raise HTTPError(415)
        entry = self.store.find(contribution_id)
        try:
            decision = json.loads(self.request.body)
            verdict, digit = decision["verdict"], decision["digit"]
            if verdict not in ("accepted", "rejected") or not (digit is None or isinstance(digit, int)):
                raise ValueError("no such verdict or digit")
            review = self.store.review(entry.contribution, verdict, digit)
        except (ValueError, KeyError, TypeError) as error:
            raise HTTPError(400, reason=f"Not a decision: {error}") from error
        self.finish({"verdict": review.verdict, "digit": review.digit})


def serve_page(feedback_dir: str, push_dir: str, port: int, ready: Callable[[str], None]) -> None:
    """Serves the page until SIGINT or SIGTERM.

    Args:
        feedback_dir: the contributions.
        push_dir: the push folder with the current model; it may be empty.
        port: the port to listen on; 0 for a free one.
        ready: called with the page's address when it answers.

    Raises:
        FeedbackError: the folder cannot be read, or the port is taken.
    """
    store = Store(feedback_dir)
    store.entries()  # reports damaged files before the page opens
    try:
        classifier = Classifier.load(asked_for(push_dir)[0].version.path)
    except NoPushedModelError:
        classifier = None
    asyncio.run(_serve(store, classifier, port, ready))


async def _serve(store: Store, classifier: Classifier | None, port: int, ready: Callable[[str], None]) -> None:
    shared = {"store": store, "classifier": classifier}
    application = Application(
        [
            ("/", _Page),
            ("/contributions", _Contributions, shared),
            ("/contributions/([0-9a-f]{32})/review", _Review, shared),
        ],
        log_function=lambda _: None,
    )
    try:
        sockets = bind_sockets(port, HOST)
    except OSError as error:
        raise FeedbackError(f"Cannot listen on {HOST}:{port} ({error.strerror}). Choose another --port.") from error
    server = HTTPServer(application)
    server.add_sockets(sockets)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    ready(f"http://{HOST}:{sockets[0].getsockname()[1]}")
    await stopped.wait()
    server.stop()
    await server.close_all_connections()
