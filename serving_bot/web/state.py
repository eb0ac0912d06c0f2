"""The page, the API's description, and the state of server and model in several programs' formats."""

from __future__ import annotations

from importlib import resources

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from tornado.web import HTTPError

from serving_bot.web import openapi, tensors
from serving_bot.web.handler import Handler

SECURITY = "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data: blob:"


class StateHandler(Handler):
    """The state of server and model in several programs' formats."""

    path = "state"

    def get(self, what: str) -> None:
        """Answers with JSON; 503 if a model is needed but none is served."""
        models = self.services.models
        if what == "v2":
            self.finish({"name": "digits", "version": "1", "extensions": ["binary_tensor_data"]})
        elif what == "v2/health/live":
            self.finish({"live": True})
        elif what in {"v2/health/ready", "v2/models/digits/ready"}:
            self.finish({"ready": bool(self.model)})
        elif what == "v2/models/digits":
            self.finish(
                {
                    "name": "digits",
                    "versions": [str(self.model.version.number)],
                    "platform": "litert",
                    "inputs": [{"name": tensors.INPUT, "datatype": "UINT8", "shape": [-1, 28, 28, 1]}],
                    "outputs": [
                        {"name": tensors.PROBABILITIES, "datatype": "FP32", "shape": [-1, 10]},
                        {"name": tensors.CLASS, "datatype": "INT64", "shape": [-1]},
                    ],
                }
            )
        elif what == "v1/models/digits":
            status = {"error_code": "OK", "error_message": ""}
            served = [] if models.current is None else [models.current]
            states = [{"version": str(m.version.number), "state": "AVAILABLE", "status": status} for m in served]
            self.finish({"model_version_status": states})
        else:
            model = self.model
            self.finish(
                {"version": model.version.number, "pushed_at": model.pushed_at.isoformat(), "card": dict(model.card)}
            )


class HealthHandler(Handler):
    """GET /healthz."""

    path, open_to_all = "/healthz", True

    def get(self) -> None:
        """200 if pictures can be read."""
        current = self.services.models.current
        self.set_status(200 if current is not None else 503)
        self.finish({"healthy": current is not None, "model": current.version.number if current else None})


class MetricsHandler(Handler):
    """GET /metrics."""

    path = "/metrics"

    def get(self) -> None:
        """Prometheus' text format."""
        current = self.services.models.current
        self.services.metrics.version.set(current.version.number if current else 0)
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest(self.services.metrics.registry))


class PageHandler(Handler):
    """A page for people."""

    path, open_to_all = "page", True
    security = SECURITY

    def show(self, page: str | bytes) -> None:
        """Answers with HTML, which may load and call only what `security` lists."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", self.security)
        self.set_header("Referrer-Policy", "no-referrer")
        self.finish(page)


class DocumentHandler(PageHandler):
    """The page, and the API's description."""

    def get(self, what: str = "") -> None:
        """HTML, or the OpenAPI document."""
        if what == "openapi.json":
            self.finish(openapi.describe(self.services.token is not None))
        elif what == "docs":
            self.show(openapi.render(openapi.describe(self.services.token is not None)))
        else:
            self.show(resources.files("serving_bot.web").joinpath("page.html").read_bytes())


class MissingHandler(Handler):
    """Everything else."""

    path, open_to_all = "other", True

    def prepare(self) -> None:
        """Refuses."""
        raise HTTPError(404)
