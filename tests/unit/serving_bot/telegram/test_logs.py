import io
import json
import logging
import sys
from urllib.parse import quote

import httpx
import pytest

from serving_bot.telegram.logs import Redactor, set_up_logging

TOKEN = "123456789:AAH-unit_Secret_of_this_bot_01234"
SECRET = TOKEN.partition(":")[2]


@pytest.fixture
def stream():
    """The log at DEBUG; the root logger is restored afterwards."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    stream = io.StringIO()
    set_up_logging("DEBUG", Redactor(TOKEN), stream)
    yield stream
    logging.basicConfig(level=level, handlers=handlers, force=True)
    logging.captureWarnings(False)
    sys.excepthook = hook


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"https://api.telegram.org/bot{TOKEN}/getMe",
        f"https://api.telegram.org/file/bot{quote(TOKEN)}/photos/1.jpg",
        quote(quote(TOKEN)),
        TOKEN.replace(":", "%3a"),
        repr(TOKEN.encode()),
        SECRET,
        TOKEN.lower(),
    ],
)
def test_redactor_removes_the_token(text):
    assert SECRET.lower() not in Redactor(TOKEN)(text).lower()


def test_redactor_leaves_other_text_unchanged():
    text = "123456789: the quick brown fox, 100 %"
    assert Redactor(TOKEN)(text) == text
    assert Redactor("")(text) == text


def test_no_part_of_a_log_line_has_the_token(stream):
    log = logging.getLogger("test")
    url = f"https://api.telegram.org/bot{quote(TOKEN, safe='')}/getMe"
    log.debug("message %s", TOKEN)
    log.info("extra", extra={"url": url, "nested": {"deep": [url]}})
    try:
        raise ValueError(f"the token `{TOKEN}` was rejected")
    except ValueError:
        log.exception("failed")
    assert len(lines(stream)) == 3
    assert "ValueError" in lines(stream)[2]["traceback"]
    assert SECRET not in stream.getvalue()
    assert stream.getvalue().count("[token]") == 4


def test_the_http_clients_lines_have_no_token(stream):
    def answer(request):
        return httpx.Response(404)

    httpx.Client(transport=httpx.MockTransport(answer)).get(f"https://localhost/bot{TOKEN}/getMe")
    assert "HTTP Request: GET https://localhost/bot[token]/getMe" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_an_uncaught_exception_is_logged_without_the_token(stream):
    error = RuntimeError(TOKEN)
    sys.excepthook(RuntimeError, error, None)
    assert lines(stream)[0]["level"] == "CRITICAL"
    assert SECRET not in stream.getvalue()


def test_a_line_is_json_with_time_level_and_fields(stream):
    logging.getLogger("serving_bot").info("фото", extra={"version": 7})
    (line,) = lines(stream)
    assert line.pop("time").startswith("20")
    assert line == {"level": "INFO", "logger": "serving_bot", "message": "фото", "version": 7}
