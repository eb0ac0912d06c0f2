"""Measures the real bot's Mini App against a loopback Bot API: reading time and memory.

python benchmarks/mini_app_load.py serving_model

Prints the figures as one JSON object. Fails if the bot takes more memory than 32 pictures may.
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests
import typer

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from loopback_bot_api import LoopbackBotApi  # noqa: E402 (beside the tests)
from mini_app_launch import init_data  # noqa: E402
from running_bot import free_port, running  # noqa: E402
from tiny_model import picture  # noqa: E402

PICTURES, USERS, SENDERS, SIZE = 1000, 90, 300, 2**22
MOST_MIB = 500.0


def read(session: requests.Session, page: str, user: int) -> float:
    """Seconds to read a picture."""
    headers = {"Authorization": f"tma {init_data(user)}", "Content-Type": "image/png"}
    began = time.monotonic()
    answer = session.post(f"{page}read?images=1", data=picture("407"), headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return time.monotonic() - began


def send_hostile(page: str, user: int, statuses: Counter[str]) -> None:
    """Sends the largest allowed body, slowly; it is not a picture."""
    address = urlsplit(page)
    head = f"POST {address.path}read HTTP/1.1\r\nHost: x\r\nAuthorization: tma {init_data(user)}\r\n"
    for _ in range(3):
        try:
            with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
                connection.sendall(f"{head}Content-Length: {SIZE}\r\n\r\n".encode() + bytes(SIZE - 1))
                time.sleep(2)
                connection.sendall(b"x")
                statuses[connection.recv(64)[9:12].decode() or "closed"] += 1
        except OSError:  # refused while sending
            statuses["closed"] += 1


def main(push_dir: Path) -> None:
    """Reads pictures, then sends hostile bodies from many users at once."""
    port = free_port()
    hook = ["--webhook-url", f"http://127.0.0.1:{port}", "--webhook-port", str(port)]
    with LoopbackBotApi() as api, running(api, push_dir, *hook) as bot:
        process, page, session = psutil.Process(bot.process.pid), f"http://127.0.0.1:{port}/app/", requests.Session()

        def resident() -> float:
            return float(round(process.memory_info().rss / 2**20, 1))

        figures: dict[str, object] = {"started_mib": resident()}
        seconds = [read(session, page, 1 + number % USERS) for number in range(PICTURES)]
        figures |= {
            "median_ms": 1000 * statistics.median(seconds),
            "p99_ms": 1000 * statistics.quantiles(seconds, n=100)[98],
        }
        figures["after_pictures_mib"] = resident()
        statuses: Counter[str] = Counter()
        senders = [threading.Thread(target=send_hostile, args=(page, 1 + n % USERS, statuses)) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        highest = 0.0
        while any(sender.is_alive() for sender in senders):
            highest = max(highest, resident())
            time.sleep(0.02)
        figures |= {"hostile": statuses, "highest_mib": highest, "afterwards_mib": resident()}
    print(json.dumps(figures, indent=1))
    if highest > MOST_MIB:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
