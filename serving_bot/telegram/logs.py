"""Logs as JSON lines, one per event, without the bot's token.

Every address of the Bot API contains the token, so it reaches HTTP clients' loggers, exception texts and tracebacks,
plain or percent-encoded. It is removed from the finished line, wherever it came from.
"""

from __future__ import annotations

import logging
import re
import sys
from types import TracebackType
from typing import TextIO
from urllib.parse import quote

from pythonjsonlogger.json import JsonFormatter

HIDDEN = "[token]"


class Redactor:
    """Replaces secrets in text.

    For a bot token ``<bot id>:<secret>`` it also replaces the secret half, which percent-encoding does not change,
    however often the colon is encoded.
    """

    def __init__(self, *secrets: str) -> None:
        shapes = {secret for secret in secrets if secret}
        shapes |= {secret.partition(":")[2] for secret in shapes if len(secret.partition(":")[2]) >= 8}
        shapes |= {quote(shape, safe="") for shape in shapes}
        shapes |= {repr(shape)[1:-1] for shape in shapes}
        longest_first = sorted(shapes, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)", re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """``text`` with every secret replaced by ``[token]``."""
        return self._pattern.sub(HIDDEN, text)


class RedactingJsonFormatter(JsonFormatter):
    """Formats a record, its traceback and its extra fields as one line of JSON without secrets."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(
            "{asctime}{levelname}{name}{message}",
            style="{",
            datefmt="%Y-%m-%dT%H:%M:%S%z",
            rename_fields={
                "asctime": "time",
                "levelname": "level",
                "name": "logger",
                "exc_info": "traceback",
            },
            json_ensure_ascii=False,
        )
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON without secrets."""
        return self._redactor(super().format(record))


def set_up_logging(level: str, redactor: Redactor, stream: TextIO = sys.stderr) -> None:
    """Sends all logs, warnings and uncaught exceptions of this process to ``stream`` as JSON lines without secrets.

    Args:
        level: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``. With DEBUG the HTTP client logs each request.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingJsonFormatter(redactor))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    if level != "DEBUG":
        for chatty in ("httpx", "telegram.ext.Application", "tornado.access"):
            logging.getLogger(chatty).setLevel(logging.WARNING)

    # Its message about a failed shutdown request is clear without the traceback.
    logging.getLogger("telegram.ext.Updater").addFilter(_without_traceback)

    def log_exception(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            logging.getLogger(__name__).critical("unexpected error", exc_info=(kind, error, traceback))

    sys.excepthook = log_exception


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True
