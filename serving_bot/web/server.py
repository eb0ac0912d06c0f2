"""The web server as a process: it starts, follows the push folder, and stops."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass

import cv2
from tornado.httpserver import HTTPServer

from serving_bot.versions.hot_swap import FailedVersion, ModelServer
from serving_bot.web.api import SLOWEST_BODY_S, build
from serving_bot.web.handler import MOST_BYTES, WebServices
from workers import UserError

IDLE_S = 60.0
STOP_S = 5.0  # how long a stop waits for pictures that are being read


class WebError(UserError):
    """The server cannot start."""


@dataclass(frozen=True)
class WebSettings:
    """The server's settings."""

    push_dir: str  # local, or any address that fsspec can open
    port: int = 8000  # 0 for any free port
    listen: str = "127.0.0.1"
    threads: int = 2  # number of pictures read at a time
    token: str | None = None  # programs must send it
    per_minute: int = 600  # requests with a body per minute and address


async def serve(
    settings: WebSettings, tell: Callable[[str], None], ready: Callable[[str], None] = lambda address: None
) -> None:
    """Serves until SIGINT or SIGTERM.

    Args:
        tell: receives messages for the person at the terminal, a sentence at a time.
        ready: receives the server's address once it answers.

    Raises:
        WebError: the port is taken, or the address is not this machine's.
    """
    cv2.setNumThreads(1)  # pictures are read in parallel; OpenCV's threads would wait for each other
    models = ModelServer(settings.push_dir, settings.threads)
    application = build(WebServices(models, settings.token, settings.per_minute))
    server = HTTPServer(
        application,
        max_body_size=2 * MOST_BYTES,
        body_timeout=2 * SLOWEST_BODY_S,  # the handlers refuse slow senders earlier
        idle_connection_timeout=IDLE_S,
    )
    try:
        server.listen(settings.port, settings.listen)
    except OSError as error:
        raise WebError(
            f"Cannot listen on {settings.listen}:{settings.port} ({error.strerror}). Choose another --port."
        ) from error
    served: list[int] = []

    def told(failures: list[FailedVersion]) -> None:
        for failure in failures:
            tell(f"Version {failure.version.number} is broken and not served: {failure.reason}")
        if models.current is not None and served[-1:] != [models.current.version.number]:
            served.append(models.current.version.number)
            name = models.current.card.get("display_name", "a model")
            tell(f"Serving {name}, version {served[-1]}.")

    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    told(await loop.run_in_executor(None, models.refresh))
    if models.current is None:
        tell(models.complaint or f"No model has been pushed to {settings.push_dir} yet: waiting for one.")
    watching = asyncio.create_task(models.watch(told))
    (socket, *_) = server._sockets.values()
    ready(f"http://{settings.listen}:{socket.getsockname()[1]}")
    await stopped.wait()
    watching.cancel()
    server.stop()
    await server.close_all_connections()
    if at_work := asyncio.all_tasks() - {asyncio.current_task()}:  # pictures that are being read
        await asyncio.wait(at_work, timeout=STOP_S)
    models.close()


def run(settings: WebSettings, tell: Callable[[str], None], ready: Callable[[str], None]) -> None:
    """Runs `serve` from a program without an event loop."""
    asyncio.run(serve(settings, tell, ready))
