"""The web server under load and hostile requests: python -m benchmarks.serving_load VERSION_FOLDER [--seconds 60].

VERSION_FOLDER is copied to a separate push folder, where versions are pushed while clients send requests.
`digits serve` runs in a separate process on loopback. Exits with 1 if a requirement is not met.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import psutil
import requests
from PIL import Image

from benchmarks.serving import make_digit, running
from models.export.layout import MODEL_FILE
from models.synthesis import pages

CLIENTS, PUSHES, BROKEN = 32, 5, 3
COLD_S, MOST_PAGE = 2.0, 300_000


def main() -> int:
    """Prints one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--bodies", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        push_dir = Path(work) / "push"
        push(options.version, push_dir, 1)
        (photo,) = photos(1)
        start = time.perf_counter()
        with running(str(push_dir)) as (address, process):
            requests.post(f"{address}/read", data=photo, timeout=10).raise_for_status()
            cold = time.perf_counter() - start
            page = requests.get(address, timeout=10).content
            good = report(
                "page", f"{len(page):,} bytes, first answer {cold:.2f} s", cold <= COLD_S and len(page) <= MOST_PAGE
            )
            good &= load(address, options.version, push_dir, options.seconds)
            good &= attack(address, process, options.bodies)
    return 0 if good else 1


def report(name: str, text: str, good: bool) -> bool:
    """Prints a figure and whether it meets the requirement."""
    print(f"{name:<44} {text}  {'ok' if good else 'NOT AS DEMANDED'}", flush=True)
    return good


def push(version: Path, push_dir: Path, number: int, broken: bool = False) -> None:
    """Copies a version like the pusher: `saved_model.pb` last."""
    folder = push_dir / str(number)
    shutil.copytree(version, folder, ignore=shutil.ignore_patterns("saved_model.pb"))
    if broken:
        (folder / MODEL_FILE).write_bytes(b"broken")
    shutil.copy(version / "saved_model.pb", folder)


def photos(count: int) -> list[bytes]:
    """Synthetic photos of 640×480 with one digit."""
    rng = np.random.default_rng(2026)
    digit = make_digit(rng)
    return [pages.photo([digit], rng, size=(480, 640)) for _ in range(count)]


def load(address: str, version: Path, push_dir: Path, duration: float) -> bool:
    """Clients send requests continuously while versions are pushed, one of them broken."""
    pictures, outcomes, ended = photos(8), Counter[str](), threading.Event()

    def ask(number: int) -> Counter[str]:
        seen, session = Counter[str](), requests.Session()
        while not ended.is_set():
            try:
                answer = session.post(f"{address}/read", data=pictures[number % len(pictures)], timeout=30)
                seen[str(answer.json()["version"]) if answer.ok else f"status {answer.status_code}"] += 1
            except requests.RequestException as error:
                seen[type(error).__name__] += 1
        return seen

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask, number) for number in range(CLIENTS)]
        for number in range(2, 2 + PUSHES):
            time.sleep(duration / (PUSHES + 1))
            push(version, push_dir, number, broken=number == BROKEN)
        time.sleep(duration / (PUSHES + 1))
        ended.set()
        for one in asking:
            outcomes += one.result()
    expected = {str(number) for number in range(1, 2 + PUSHES)} - {str(BROKEN)}
    each = ", ".join(f"{name}: {count:,}" for name, count in sorted(outcomes.items()))
    return report(f"{CLIENTS} clients, {duration:.0f} s, answers by version", each, set(outcomes) == expected)


def attack(address: str, process: psutil.Process, count: int) -> bool:
    """Sends hostile bodies to each address; every response must be a 4xx with a message."""
    bodies, wrong, statuses = list(hostile()), Counter[str](), Counter[int]()
    before, most = process.memory_info().rss, 0

    def send(number: int) -> None:
        nonlocal most
        path, headers, body = bodies[number % len(bodies)]
        status, answer = ask_raw(address, path, headers, body)
        most = max(most, process.memory_info().rss)
        statuses[status] += 1
        try:
            sentence = json.loads(answer)["error"]
        except (ValueError, KeyError, TypeError):
            sentence = ""
        if not (400 <= status < 500 and sentence.endswith(".")):
            wrong[f"{path} {headers} {body[:40]!r}: {status} {answer[:80]!r}"] += 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(count)))
    for text, times in wrong.most_common(10):
        print(f"  {times} × {text}")
    growth = (most - before) / 2**20
    by_status = ", ".join(f"{status}: {number:,}" for status, number in sorted(statuses.items()))
    good = report(
        f"{count:,} hostile bodies, by status",
        f"{by_status}; memory +{growth:.0f} MiB at most",
        not wrong and growth < 256,
    )
    start = time.perf_counter()
    with ThreadPoolExecutor(64) as pool:  # 64 slow senders, and a normal client
        slow = [pool.submit(send_slowly, address) for _ in range(64)]
        time.sleep(1)
        quick = requests.post(f"{address}/read", data=photos(1)[0], timeout=5)
        took = time.perf_counter() - start - 1
        statuses_of_slow = Counter(one.result() for one in slow)
    by_status = ", ".join(f"{status}: {number}" for status, number in statuses_of_slow.items())
    return (
        report(
            "64 slow senders",
            f"another answered in {took:.2f} s; {by_status}",
            quick.ok and took < 1 and set(statuses_of_slow) == {"408"},
        )
        and good
    )


def ask_raw(address: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    """The status and body of the response to a malformed request; status 0 if there is none."""
    parts = urlsplit(address)
    lines = {"Host": "x", "Content-Length": str(len(body)), "Connection": "close", **headers}
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
        answer = b""
        with suppress(ConnectionError):  # refused before all was sent: use the response
            connection.sendall(head.encode() + body)
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
    status, _, rest = answer.partition(b"\r\n\r\n")
    return (int(status.split()[1]) if status else 0), rest


def send_slowly(address: str) -> str:
    """Sends a body of 1 MB at a byte per second; returns how that ends."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
        connection.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(45):
            try:
                connection.sendall(b"x")
                connection.settimeout(1)
                answer = connection.recv(100)
                return answer.split()[1].decode() if answer else "closed"
            except TimeoutError:
                continue
            except OSError:
                return "closed"
    return "still open"


def hostile() -> Iterator[tuple[str, dict[str, str], bytes]]:
    """Path, headers and body of requests that must be refused."""
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    real = cv2.imencode(".png", np.zeros((60, 60), np.uint8))[1].tobytes()
    predict, infer = "/v1/models/digits:predict", "/v2/models/digits/infer"
    image = [[0] * 28] * 28
    for body in (
        b"",
        b"x",
        bomb.getvalue(),
        real[:40],
        b"\xff\xd8" + b"\0" * 5000,
        b"GIF89a" + b"\xff" * 99,
        real[:8] + b"\xff" * 64,
    ):
        yield "/read", {}, body
    yield "/read", {"Content-Length": "1000000000"}, b"x"
    yield "/read", {"Content-Length": "99999999999999999999"}, b"x"
    yield "/read", {"Content-Type": "text/html"}, real
    yield "/read", {"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nno form"
    yield "/read", {"Content-Type": "multipart/form-data"}, real
    yield "/read?images=9", {}, real
    content: object
    for content in (
        *(None, 1, [], {}, {"instances": 1}, {"instances": []}, {"instances": [[]]}, {"instances": "x"}),
        *({"instances": [{"b64": data}]} for data in ("?", "", 3)),
        *({"instances": [[[pixel] * 28] * 28]} for pixel in (float("nan"), 1e300, -1, "x", [0, 0])),
        {"instances": [image], "inputs": [image]},
        {"instances": [image], "signature_name": "x"},
        {"instances": [image] * 1025},
        {"instances": [[[0] * 27] * 28]},
    ):
        yield predict, {}, json.dumps(content).encode()
    for body in (
        b"",
        b"{",
        b"[" * 100_000,
        b'{"instances": ' + b"9" * 100_000 + b"}",
        b"\xff\xfe",
        b'{"instances": [' * 5000,
    ):
        yield predict, {}, body
        yield infer, {}, body
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28]}
    inputs: object
    for inputs in (
        *(None, [], [{}], [{"name": "x"}], [{**tensor, "datatype": "FP32", "data": []}]),
        *([{**tensor, "shape": [count, 28, 28], "data": [0] * 784}] for count in (10**9, -1)),
        *([{**tensor, "data": [pixel] * 784}] for pixel in (float("nan"), "x", 256)),
        [{**tensor, "parameters": {"binary_data_size": 10**9}}],
    ):
        yield infer, {}, json.dumps({"inputs": inputs}).encode()
    for length in ("-1", "1000000000", "x", "1.5"):
        yield infer, {"Inference-Header-Content-Length": length}, b"{}"


if __name__ == "__main__":
    sys.exit(main())
