"""Monitoring: Prometheus metrics and a health check over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

OUTCOMES = (
    "read", "unsure", "nothing", "unreadable", "too_big", "not_a_picture", "limited", "no_model", "failed"
)  # fmt: skip


class Metrics:
    """The bot's counters, in a separate registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.pictures = counter("digits_bot_pictures", "Pictures answered, by outcome", ["outcome"])
        for outcome in OUTCOMES:
            self.pictures.labels(outcome)
        self.reading = histogram(
            "digits_bot_reading_seconds",
            "From bytes to digits, including the wait for a reader thread",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self.answering = histogram(
            "digits_bot_answering_seconds",
            "From the update to the sent answer, including the download",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self.in_flight = gauge("digits_bot_pictures_in_flight", "Pictures being answered now")
        self.model_version = gauge("digits_bot_model_version", "The version in service; 0 for none")
        self.broken_versions = counter("digits_bot_broken_versions", "Pushed versions that could not be served")
        self.network_failures = counter("digits_bot_network_failures", "Requests that Telegram did not answer")
        self.unreadable_updates = counter(
            "digits_bot_unreadable_updates", "Updates that could not be parsed and were skipped"
        )
        self.feedback = counter("digits_bot_feedback", "Answers judged by people, by what came of it", ["result"])
        self.feedback_waiting = gauge("digits_bot_feedback_waiting", "Contributions that wait for the feedback folder")
        self.told = counter("digits_bot_told", "People who were told what was learned from them")
        self.errors = counter("digits_bot_errors", "Unexpected errors while answering")


class _MetricsHandler(RequestHandler):
    def initialize(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest(self._registry))


class _HealthHandler(RequestHandler):
    def initialize(self, health: Callable[[], dict[str, Any]]) -> None:
        self._health = health

    def get(self) -> None:
        report = self._health()
        self.set_status(200 if report["healthy"] else 503)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(report))


def serve_metrics(metrics: Metrics, health: Callable[[], dict[str, Any]], port: int, address: str) -> HTTPServer:
    """Serves ``/metrics`` and ``/healthz`` from the running event loop, so a stuck loop fails the check.

    Args:
        health: returns the report of ``/healthz``; its ``healthy`` decides between status 200 and 503.

    Raises:
        OSError: the port is taken.
    """
    application = Application(
        [
            ("/metrics", _MetricsHandler, {"registry": metrics.registry}),
            ("/healthz", _HealthHandler, {"health": health}),
        ],
        log_function=lambda _: None,
    )
    return application.listen(port, address)
