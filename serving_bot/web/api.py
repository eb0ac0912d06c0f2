"""The requests that are answered: pictures, tensors, the state of the server, and the page."""

from __future__ import annotations

import base64
import hmac
import io
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from typing import Any

import numpy as np
from aiolimiter import AsyncLimiter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from tornado.httputil import HTTPFile, parse_body_arguments
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from serving_bot.reading.annotation import enlarge
from serving_bot.reading.answer import Reading
from serving_bot.reading.decoding import MAX_BYTES, TooLargePictureError, UnreadablePictureError
from serving_bot.reading.occlusion import occlusion_map
from serving_bot.versions.hot_swap import ModelServer, ServedModel
from serving_bot.web import openapi, tensors
from serving_bot.web.tensors import BadRequestError

MOST_BYTES = MAX_BYTES + 2**16
"""Of a body: the largest picture, and what a form puts around it."""

REMEMBERED_CLIENTS = 10_000
SECURITY = "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data: blob:"
_NO_MODEL = "No model has been pushed yet. Push one (`make run`)."


class WebMetrics:
    """The server's counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
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
    """What the handlers share."""

    models: ModelServer
    token: str | None = None  # demanded of every request but the page's own and /healthz
    per_minute: int = 600  # requests with a body of one address
    metrics: WebMetrics = field(default_factory=WebMetrics)
    clients: OrderedDict[str, AsyncLimiter] = field(default_factory=OrderedDict)

    def admits(self, address: str) -> bool:
        """Whether this address may send one more body now."""
        bucket = self.clients.setdefault(address, AsyncLimiter(self.per_minute, 60))
        self.clients.move_to_end(address)
        if len(self.clients) > REMEMBERED_CLIENTS:
            self.clients.popitem(last=False)
        return bucket.has_capacity()

    async def count(self, address: str) -> None:
        """Notes that the address has sent one."""
        await self.clients[address].acquire()


class _Handler(RequestHandler):
    """Answers and errors as JSON."""

    open_to_all = False

    def initialize(self, services: WebServices) -> None:
        self.services = services

    def prepare(self) -> None:
        token = self.services.token
        given = self.request.headers.get("Authorization", "")
        if token and not self.open_to_all and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            self.set_header("WWW-Authenticate", "Bearer")
            raise HTTPError(401, reason="A bearer token is needed, in the header Authorization.")

    @property
    def model(self) -> ServedModel:
        """The model in service."""
        if self.services.models.current is None:
            raise HTTPError(503, reason=_NO_MODEL)
        return self.services.models.current

    def set_default_headers(self) -> None:
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Type", "application/json")
        self.clear_header("Server")

    def write_error(self, status_code: int, **facts: Any) -> None:
        error = facts.get("exc_info", (None, None, None))[1]
        reason = error.reason if isinstance(error, HTTPError) else None
        if status_code == 405:
            allowed = [name for name in ("GET", "POST") if name.lower() in vars(type(self))]
            self.set_header("Allow", ", ".join(allowed))
        self.set_status(status_code)  # (the sentence stands in the body, not in the status line)
        self.finish(
            {
                "error": reason
                or {404: "There is no such address.", 405: "Not with this method."}.get(
                    status_code, "Something went wrong here; the server's log says what."
                )
            }
        )

    def on_finish(self) -> None:
        path = getattr(type(self), "path", "other")
        self.services.metrics.requests.labels(path, self.get_status()).inc()
        self.services.metrics.seconds.labels(path).observe(self.request.request_time())


@stream_request_body
class _BodyHandler(_Handler):
    """A request with a body, whose size is limited before it is kept."""

    async def prepare(self) -> None:  # type: ignore[override]
        super().prepare()
        self.body = bytearray()
        length = self.request.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            raise HTTPError(413, reason=f"The body is over the limit of {MOST_BYTES:,} bytes.")
        address = self.request.remote_ip or ""
        if not self.services.admits(address):
            raise HTTPError(429, reason="Too many requests from this address; try again in a minute.")
        await self.services.count(address)

    def data_received(self, chunk: bytes) -> None:
        if len(self.body) + len(chunk) > MOST_BYTES:
            raise HTTPError(413, reason=f"The body is over the limit of {MOST_BYTES:,} bytes.")
        self.body += chunk

    async def run(self, function: Any, *arguments: Any) -> Any:
        return await self.services.models.run(function, *arguments)


class ReadHandler(_BodyHandler):
    """POST /read: a picture, raw or as the form field `picture`."""

    path = "/read"

    async def post(self) -> None:
        """Answers with what `digits predict --json` prints."""
        model = self.model
        try:
            answer = await self.run(
                partial(_read, model, self._picture(), images=self._flag("images"), why=self._flag("why"))
            )
        except TooLargePictureError as error:
            raise HTTPError(413, reason=str(error)) from error
        except UnreadablePictureError as error:
            raise HTTPError(422, reason=str(error)) from error
        self.finish(answer)

    def _flag(self, name: str) -> bool:
        value = self.get_query_argument(name, "0")
        if value not in {"0", "1"}:
            raise HTTPError(400, reason=f"{name} is 0 or 1.")
        return value == "1"

    def _picture(self) -> bytes:
        kind = self.request.headers.get("Content-Type", "")
        if kind.startswith("multipart/"):
            files: dict[str, list[HTTPFile]] = {}
            try:
                parse_body_arguments(kind, bytes(self.body), {}, files)
            except Exception as error:  # tornado raises several kinds
                raise HTTPError(400, reason="The form cannot be read.") from error
            found = files.get("picture") or next(iter(files.values()), [])
            if len(found) != 1:
                raise HTTPError(400, reason="The form should hold one file, in the field picture.")
            return bytes(found[0]["body"])
        if kind and not kind.startswith("image/") and kind.partition(";")[0] != "application/octet-stream":
            raise HTTPError(415, reason="Send a picture as image/*, application/octet-stream or multipart/form-data.")
        return bytes(self.body)


def _read(model: ServedModel, data: bytes, *, images: bool, why: bool) -> dict[str, Any]:
    reading: Reading = model.read(data)
    answer = {**reading.as_json(), "version": model.version.number}
    for shown, digit in zip(answer["digits"], reading.digits, strict=True):
        if images:
            buffer = io.BytesIO()
            enlarge(digit, 28).save(buffer, "PNG")
            shown["image"] = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        if why:
            weights = occlusion_map(model.predict, np.asarray(digit.image), digit.digit)
            shown["why"] = np.round(weights, 3).tolist()
    return answer


class PredictHandler(_BodyHandler):
    """POST /v1/models/digits:predict, TensorFlow Serving's REST API."""

    path = "/v1/models/digits:predict"

    async def post(self, version: str | None = None) -> None:
        """Answers with probabilities and classes."""
        model = self.model
        if version not in {None, str(model.version.number)}:
            raise HTTPError(404, reason=f"Version {version} is not served; {model.version.number} is.")
        try:
            images, rows = tensors.from_tensorflow_serving(tensors.parse_json(bytes(self.body)))
        except BadRequestError as error:
            raise HTTPError(400, reason=str(error)) from error
        self.finish(tensors.to_tensorflow_serving(await self.run(model.predict, images), rows))


class InferHandler(_BodyHandler):
    """POST /v2/models/digits/infer, the Open Inference Protocol."""

    path = "/v2/models/digits/infer"

    async def post(self) -> None:
        """Answers with the tensors that are asked for, raw where the request wants them so."""
        model = self.model
        length = self.request.headers.get("Inference-Header-Content-Length")
        try:
            images, request = tensors.from_open_inference(bytes(self.body), length)
            body, head = tensors.to_open_inference(
                await self.run(model.predict, images), request, str(model.version.number)
            )
        except BadRequestError as error:
            raise HTTPError(400, reason=str(error)) from error
        if head is not None:
            self.set_header("Inference-Header-Content-Length", str(head))
            self.set_header("Content-Type", "application/octet-stream")
        self.finish(body)


class StateHandler(_Handler):
    """The state of server and model, as different programs ask for it."""

    path = "state"

    def get(self, what: str) -> None:
        """Answers with JSON; 503 where a model is needed and none is served."""
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


class HealthHandler(_Handler):
    """GET /healthz."""

    path, open_to_all = "/healthz", True

    def get(self) -> None:
        """200 where pictures are answered."""
        current = self.services.models.current
        self.set_status(200 if current is not None else 503)
        self.finish({"healthy": current is not None, "model": current.version.number if current else None})


class MetricsHandler(_Handler):
    """GET /metrics."""

    path = "/metrics"

    def get(self) -> None:
        """Prometheus' text."""
        current = self.services.models.current
        self.services.metrics.version.set(current.version.number if current else 0)
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest(self.services.metrics.registry))


class DocumentHandler(_Handler):
    """The page, and the description of the API."""

    path, open_to_all = "page", True

    def get(self, what: str = "") -> None:
        """HTML, or the OpenAPI document."""
        if what == "openapi.json":
            self.finish(openapi.describe(self.services.token is not None))
            return
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", SECURITY)
        self.set_header("Referrer-Policy", "no-referrer")
        if what == "docs":
            self.finish(openapi.render(openapi.describe(self.services.token is not None)))
        else:
            self.finish(resources.files("serving_bot.web").joinpath("page.html").read_bytes())


class MissingHandler(_Handler):
    """Everything else."""

    path, open_to_all = "other", True

    def prepare(self) -> None:
        """Refuses."""
        raise HTTPError(404)


def build(services: WebServices) -> Application:
    """The tornado application."""
    shared: dict[str, Any] = {"services": services}
    states = "v2|v2/health/live|v2/health/ready|v2/models/digits|v2/models/digits/ready|v1/models/digits|model"
    return Application(
        [
            ("/", DocumentHandler, shared),
            ("/(docs|openapi.json)", DocumentHandler, shared),
            ("/read", ReadHandler, shared),
            (r"/v1/models/digits(?:/versions/(\d+))?:predict", PredictHandler, shared),
            ("/v2/models/digits/infer", InferHandler, shared),
            (f"/({states})", StateHandler, shared),
            ("/healthz", HealthHandler, shared),
            ("/metrics", MetricsHandler, shared),
        ],
        default_handler_class=MissingHandler,
        default_handler_args=shared,
        log_function=lambda _: None,
    )
