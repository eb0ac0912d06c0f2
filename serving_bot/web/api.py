"""Requests with pictures or tensors in the body, and the application with all its addresses."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from tornado.httputil import HTTPFile, parse_body_arguments
from tornado.web import Application, HTTPError, stream_request_body

from serving_bot.reading.annotation import enlarge
from serving_bot.reading.answer import Reading
from serving_bot.reading.decoding import TooLargePictureError, UnreadablePictureError
from serving_bot.reading.occlusion import occlusion_map
from serving_bot.versions.hot_swap import ServedModel
from serving_bot.web import tensors
from serving_bot.web.handler import Handler, WebServices
from serving_bot.web.state import DocumentHandler, HealthHandler, MetricsHandler, MissingHandler, StateHandler
from serving_bot.web.tensors import BadRequestError

Result = TypeVar("Result")

SLOWEST_BODY_S = 30.0
"""Maximum seconds for a body to arrive."""

AT_ONCE = 64
"""Maximum images to predict without a thread: 3 ms with MyModel, in which no other request is answered."""


@stream_request_body
class BodyHandler(Handler):
    """A request with a body, whose size is limited before it is stored."""

    _deadline: asyncio.TimerHandle | None = None  # deadline for the body
    _inside = False  # admitted and not yet left
    _at_work = False  # the body is in use

    async def prepare(self) -> None:  # type: ignore[override]
        """Refuses excess requests, and waits for the body."""
        super().prepare()
        self.body = bytearray()
        length = self.request.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > self.services.most_bytes:
            raise self._too_large()
        await self.services.enter(self.client)
        self._inside = True
        self._deadline = asyncio.get_running_loop().call_later(SLOWEST_BODY_S, self._refuse_late)

    def _too_large(self) -> HTTPError:
        return HTTPError(413, reason=f"The body is over the limit of {self.services.most_bytes:,} bytes.")

    def _refuse_late(self) -> None:
        self._refuse(HTTPError(408, reason=f"The body did not arrive within {SLOWEST_BODY_S:.0f} s."))

    def _refuse(self, error: HTTPError) -> None:
        self.body.clear()
        self.send_error(error.status_code, exc_info=(HTTPError, error, None))

    def data_received(self, chunk: bytes) -> None:
        """Stores a piece of the body."""
        if self._finished:  # refused; tornado keeps reading, so the client can receive the answer
            return
        if len(self.body) + len(chunk) > self.services.most_bytes:
            self._refuse(self._too_large())
            return
        self.body += chunk

    async def work(self, task: Awaitable[Result]) -> Result:
        """Waits until the complete body is processed."""
        self._stop_waiting()
        self._at_work = True
        return await task

    async def run(self, function: Any, *arguments: Any) -> Any:
        """Runs a function in a reader thread."""
        return await self.work(self.services.models.run(function, *arguments))

    async def predict(self, model: ServedModel, images: tensors.Images) -> npt.NDArray[np.float32]:
        """Probabilities float32 [N, 10]; a few images at once, because a thread would take longer than they do."""
        if len(images) <= AT_ONCE:
            self._stop_waiting()
            probabilities = model.predict_at_once(images)
            if probabilities is not None:
                return probabilities
        return cast("npt.NDArray[np.float32]", await self.run(model.predict, images))

    def on_finish(self) -> None:
        """Releases the client."""
        self._stop_waiting()
        self._leave()
        super().on_finish()

    def on_connection_close(self) -> None:
        """Releases a client that disconnected, unless the body is still in use."""
        self._stop_waiting()
        if not self._at_work:
            self._leave()
        super().on_connection_close()

    def _leave(self) -> None:
        if self._inside:
            self._inside = False
            self.services.leave(self.client)

    def _stop_waiting(self) -> None:
        if self._deadline:
            self._deadline.cancel()


class ReadHandler(BodyHandler):
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
            raise HTTPError(400, reason=f"{name} must be 0 or 1.")
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
                raise HTTPError(400, reason="The form must have one file, in the field picture.")
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


class PredictHandler(BodyHandler):
    """POST /v1/models/digits:predict, TensorFlow Serving's REST API."""

    path = "/v1/models/digits:predict"

    async def post(self, version: str | None = None) -> None:
        """Answers with probabilities and classes."""
        model = self.model
        if version not in {None, str(model.version.number)}:
            raise HTTPError(404, reason=f"Version {version} is not served; {model.version.number} is.")
        try:
            images, rows = tensors.from_tensorflow_serving(bytes(self.body))
        except BadRequestError as error:
            raise HTTPError(400, reason=str(error)) from error
        self.finish(tensors.to_tensorflow_serving(await self.predict(model, images), rows))


class InferHandler(BodyHandler):
    """POST /v2/models/digits/infer, the Open Inference Protocol."""

    path = "/v2/models/digits/infer"

    async def post(self) -> None:
        """Answers with the requested tensors, raw if the request asks for that."""
        model = self.model
        length = self.request.headers.get("Inference-Header-Content-Length")
        try:
            images, request = tensors.from_open_inference(bytes(self.body), length)
            probabilities = await self.predict(model, images)
            body, head = tensors.to_open_inference(probabilities, request, str(model.version.number))
        except BadRequestError as error:
            raise HTTPError(400, reason=str(error)) from error
        if head is not None:
            self.set_header("Inference-Header-Content-Length", str(head))
            self.set_header("Content-Type", "application/octet-stream")
        self.finish(body)


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
