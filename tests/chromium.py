"""A headless Chromium, driven over its DevTools protocol on two pipes: no driver, no open port."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The browser's program, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Visit:
    """What happened while a page was open.

    Attributes:
        width: of the window, in CSS pixels.
        content_width: of what the page laid out, in CSS pixels.
        messages: what was written to the console, errors of any kind included.
        requests: addresses that were asked for, the page's own included.
        screenshot: PNG bytes of the whole page.
    """

    width: int
    content_width: int = 0
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    screenshot: bytes = b""


class Chromium:
    """A browser with one blank page."""

    def __init__(self, program: str, profile: Path):
        """Starts it; `profile` is an empty folder for its state."""
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

        def connect() -> None:
            """The browser reads descriptor 3 and writes to 4; both may be in use already."""
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_browser, from_browser)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [program, *options, f"--user-data-dir={profile}", "--remote-debugging-pipe"],
            preexec_fn=connect,  # noqa: PLW1509 (the tests start no threads)
            pass_fds=[3, 4],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        """The browser itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait(timeout=30)
        os.close(self._write)
        os.close(self._read)

    def visit(self, page: Path, width: int, scheme: str, media: str = "screen") -> Visit:
        """Opens a file and waits until it is loaded.

        Args:
            page: the file.
            width: of the window in CSS pixels; below 600 a phone is imitated.
            scheme: "light" or "dark".
            media: "screen" or "print".
        """
        self._open("about:blank")
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media=media, features=features)
        self._open(page.resolve().as_uri())
        found = Visit(width, int(self.evaluate("document.documentElement.scrollWidth")))
        found.screenshot = base64.b64decode(
            self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        )
        for event in self._events:
            parameters = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                found.requests.append(parameters["request"]["url"])
            elif event["method"] in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
                found.messages.append(json.dumps(parameters))
        return found

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the open page."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def _open(self, address: str) -> None:
        self._events.clear()
        self._call("Page.navigate", url=address)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._receive())

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._read, 1 << 20)
            if not read:
                raise RuntimeError(f"Chromium ended with status {self._process.wait()}.")
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer
