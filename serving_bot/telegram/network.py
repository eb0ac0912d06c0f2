"""Requests to Telegram that survive its outages, and the state of the connection."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from telegram.error import NetworkError, TelegramError
from telegram.request import HTTPXRequest

Take = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]

log = logging.getLogger(__name__)


class RefusedTokenError(TelegramError):
    """Telegram does not accept the token."""


class NoBotApiError(TelegramError):
    """The address is not a Bot API: it redirects."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP status {status}, a redirect")


class Contact:
    """Whether Telegram answers: requests report it, the health check asks for it. Logs changes."""

    def __init__(self, on_failure: Callable[[], None] = lambda: None) -> None:
        self._last = time.monotonic()
        self._lost = False
        self._on_failure = on_failure

    @property
    def silence(self) -> float:
        """Seconds since Telegram last answered."""
        return time.monotonic() - self._last

    def made(self) -> None:
        """Telegram answered."""
        self._last = time.monotonic()
        if self._lost:
            self._lost = False
            log.info("Telegram answers again")

    def failed(self, reason: str) -> None:
        """Telegram did not answer, or reported a failure."""
        self._on_failure()
        if not self._lost:
            self._lost = True
            log.warning("Telegram does not answer; trying again until it does", extra={"reason": reason})


def delays(patience: float) -> Iterator[float]:
    """Pauses between attempts in seconds: half a second, doubling up to 15, in total at most ``patience``."""
    waited = 0.0
    for exponent in itertools.count():
        delay = min(15.0, 0.5 * 2 ** min(exponent, 5))
        if waited + delay > patience:
            return
        waited += delay
        yield delay


class PatientRequest(HTTPXRequest):
    """Retries a request that the network or the server failed, so an answer is late instead of lost.

    It retries after connection errors, timeouts and 5xx answers, and for downloads after 429 (for API methods the rate
    limiter obeys the ``retry_after``). It sends a message again if delivery was not confirmed: Telegram offers no way
    to check, and a second answer is better than none.

    Args:
        contact: receives the result of each attempt.
        patience: seconds of pauses before giving up.
    """

    def __init__(self, contact: Contact, patience: float = 300.0, **settings: Any) -> None:
        super().__init__(**settings)
        self._contact = contact
        self._patience = patience

    async def do_request(self, url: str, method: str, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """See ``telegram.request.BaseRequest.do_request``."""
        for delay in delays(self._patience):
            try:
                status, payload = await super().do_request(url, method, *args, **kwargs)
            except NetworkError as error:
                self._contact.failed(str(error))
            else:
                if 300 <= status < 400:
                    raise NoBotApiError(status)
                if status < 500 and not (status == 429 and method == "GET"):
                    self._contact.made()
                    return status, payload
                self._contact.failed(f"HTTP status {status}")
            await asyncio.sleep(delay)
        return await super().do_request(url, method, *args, **kwargs)


class PollingRequest(HTTPXRequest):
    """The long poll. The Updater repeats it; this class monitors it, and takes in the updates.

    Args:
        contact: receives the result of each attempt.
        take: gets the updates as Telegram sent them, before they are confirmed; returns those to handle.

    Raises:
        RefusedTokenError: from ``do_request``, when the token is refused. PTB's InvalidToken would end the Updater's
            loop silently.
        NoBotApiError: from ``do_request``, when the answer is a redirect.
    """

    def __init__(self, contact: Contact, take: Take, **settings: Any) -> None:
        super().__init__(**settings)
        self._contact = contact
        self._take = take

    async def do_request(self, url: str, method: str, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """See ``telegram.request.BaseRequest.do_request``."""
        try:
            status, payload = await super().do_request(url, method, *args, **kwargs)
        except NetworkError as error:
            self._contact.failed(str(error))
            raise
        if status in (401, 404):
            raise RefusedTokenError("Unauthorized")
        if 300 <= status < 400:
            raise NoBotApiError(status)
        if status != 200:
            if status not in (409, 429):  # the Updater handles those
                self._contact.failed(f"HTTP status {status}")
            return status, payload
        answer = self.parse_json_payload(payload)
        if answer["result"]:
            payload = json.dumps(answer | {"result": self._take(answer["result"])}).encode()
        self._contact.made()
        return status, payload
