"""Options and errors that several commands share."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gcsfs
import pytest
from fsspec.registry import _registry
from typer.testing import CliRunner

from pipeline.cli import app

REASON = "Anonymous caller does not have storage.objects.get access"
READING = [[], ["predict", "x.png"], ["bot"], ["models", "list"]]


def said(*arguments: str) -> tuple[int, str]:
    """A command's exit code and standard error."""
    result = CliRunner().invoke(app, arguments, env={"TELEGRAM_BOT_TOKEN": "1:x"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


@pytest.mark.parametrize("command", READING)
def test_a_bucket_without_gcsfs_is_a_one_line_error(monkeypatch, command):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.delitem(_registry, "gs", raising=False)
    assert said(*command, "--push-dir", "gs://bucket/models") == (
        1,
        "Error: gs://bucket/models needs gcsfs, which is not installed. In the project's folder: pip install '.[gs]'\n",
    )


@pytest.mark.parametrize("command", READING)
def test_an_unknown_kind_of_address_is_a_one_line_error(command):
    assert said(*command, "--push-dir", "gopher://models") == (
        1,
        "Error: gopher://models cannot be opened: Protocol not known: gopher.\n",
    )


class Refusal(BaseHTTPRequestHandler):
    """Google Cloud Storage's response without a login."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", str(len(REASON)))
        self.end_headers()
        self.wfile.write(REASON.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def closed_store(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
        gcsfs.GCSFileSystem.clear_instance_cache()
        yield "gs://bucket/models"
        gcsfs.GCSFileSystem.clear_instance_cache()
        server.shutdown()


def test_an_unreadable_bucket_is_a_one_line_error(closed_store, capfd):
    code, stderr = said("predict", "x.png", "--push-dir", closed_store)
    assert (code, stderr) == (
        1,
        f"Error: gs://bucket/models cannot be read: {REASON}, 401. Check the address and the login (docs/bot.md).\n",
    )
    assert capfd.readouterr().err == ""
