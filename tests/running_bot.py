"""The real bot in a separate process, with a loopback Bot API."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopback_bot_api import TOKEN, Call, LoopbackBotApi

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "pipeline.cli", "bot"]
SECRET = TOKEN.partition(":")[2]


class RunningBot:
    """The process and its output so far."""

    def __init__(self, arguments: list[str], token: str | None = TOKEN) -> None:
        self._state = tempfile.TemporaryDirectory()
        if "--state-dir" not in arguments:
            arguments = [*arguments, "--state-dir", self._state.name]
        environment = {key: value for key, value in os.environ.items() if key != "TELEGRAM_BOT_TOKEN"}
        environment |= {"PYTHONPATH": str(ROOT)} | ({"TELEGRAM_BOT_TOKEN": token} if token is not None else {})
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.output = ""
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.output += line

    def end(self, timeout: float = 40) -> int:
        """Waits for the process to end by itself; returns its exit code."""
        try:
            return self.process.wait(timeout)
        finally:
            self.process.kill()
            self._reading.join()
            self._state.cleanup()

    def stop(self) -> int:
        """Asks the process to stop, as systemd and container engines do; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def lines(self) -> list[dict]:
        """The log lines so far."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]


@contextmanager
def running(api: LoopbackBotApi, push_dir: Path, *arguments: str) -> Iterator[RunningBot]:
    bot = RunningBot(["--api-url", api.url, "--push-dir", str(push_dir), *arguments])
    try:
        api.wait(lambda: "setMyCommands" in api.attempts or bot.process.poll() is not None, 40)
        yield bot
        assert bot.stop() == 0, bot.output
        assert "Traceback" not in bot.output
        assert SECRET not in bot.output
    finally:
        bot.process.kill()


def free_port() -> int:
    """An unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def version_of(call: Call) -> str:
    """The version that answered, from the answer's last button."""
    button = json.loads(call.parameters["reply_markup"])["inline_keyboard"][-1][-1]
    return button["callback_data"].removeprefix("saw:")
