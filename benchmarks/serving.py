"""The web server's figures: python -m benchmarks.serving --push-dir serving_model [--repeats 200].

`digits serve` runs in a separate process on loopback; all requests use one persistent connection. Beside it runs the
same model in a plain Starlette application (benchmarks/plain_starlette.py), which uv fetches; the two alternate.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import requests

from models.synthesis import pages
from serving_bot.reading.classifier import Classifier
from serving_bot.reading.reader import Reader
from serving_bot.versions.registry import asked_for

SIZE = (960, 1280)


def main() -> None:
    """Prints one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--push-dir", default="serving_model")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--pictures", type=int, default=1000, help="after which memory is looked at")
    options = parser.parse_args()
    cv2.setNumThreads(1)  # like the server
    classifier = Classifier.load(asked_for(options.push_dir)[0].version.path)
    rng = np.random.default_rng(2026)
    digits = [make_digit(rng) for _ in range(10)]
    pictures = [pages.photo([digit], rng, size=SIZE) for digit in digits]
    with running(options.push_dir) as (address, server), requests.Session() as session:
        print_reading(session, address, Reader(classifier), pictures, options.repeats)
        with running_starlette(asked_for(options.push_dir)[0].version.path) as plain:
            print_tensors(session, address, plain, classifier, options.repeats)
        for number in range(options.pictures):
            session.post(f"{address}/read", data=pictures[number % len(pictures)])
        memory = server.memory_info().rss / 2**20
        print(f"{'memory after ' + str(options.pictures) + ' pictures':<44} {memory:8.1f} MiB")


@contextmanager
def running(push_dir: str) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the process of a server with a high rate limit."""
    command = [sys.executable, "-u", "-m", "pipeline.cli", "serve", "--push-dir", push_dir, "--port", "0"]
    server = subprocess.Popen([*command, "--requests-per-minute", "10000000"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield next(line.split()[0] for line in server.stdout if line.startswith("http")), psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


@contextmanager
def running_starlette(version: str) -> Iterator[str]:
    """The address of benchmarks/plain_starlette.py in this environment with Starlette and uvicorn added."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    added = ["--with", "starlette==1.7.0", "--with", "uvicorn==0.54.0"]
    uv = Path(sys.prefix) / "bin" / "uv"
    server = subprocess.Popen(
        [
            uv,
            "run",
            "--quiet",
            "--active",
            "--no-project",
            *added,
            "python",
            "-m",
            "benchmarks.plain_starlette",
            version,
            str(port),
        ],
        env={**os.environ, "VIRTUAL_ENV": sys.prefix},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with suppress(requests.ConnectionError):
                requests.get(address, timeout=1)
                break
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


def make_digit(rng: np.random.Generator) -> pages.Pixels:
    """A stroke that is read as a 1: uint8 [28, 28]."""
    return np.pad(rng.integers(150, 255, (20, 6), np.uint8), ((4, 4), (11, 11)))


def print_reading(session: requests.Session, address: str, reader: Reader, pictures: list[bytes], repeats: int) -> None:
    """Time of POST /read ÷ that of Reader.read in this process, alternating."""
    inside, outside = [], []
    for number in range(repeats):
        picture = pictures[number % len(pictures)]
        inside.append(seconds(partial(reader.read, picture)))
        outside.append(seconds(partial(session.post, f"{address}/read", data=picture)))
    name = f"POST /read of {SIZE[1]}×{SIZE[0]}, median"
    medians = statistics.median(outside), statistics.median(inside)
    print(f"{name:<44} {1000 * medians[0]:8.1f} ms, {medians[0] / medians[1]:.2f} of Reader.read")


def print_tensors(session: requests.Session, address: str, plain: str, classifier: Classifier, repeats: int) -> None:
    """Predictions per second in batches of 1 and 64, in TensorFlow Serving's format and as raw tensors."""
    for size in (1, 64):
        images = np.random.default_rng(1).integers(0, 256, (size, 28, 28), np.uint8)
        head = (
            f'{{"inputs":[{{"name":"images","datatype":"UINT8","shape":[{size},28,28],'
            f'"parameters":{{"binary_data_size":{images.size}}}}}]}}'
        ).encode()
        raw: dict[str, Any] = {
            "data": head + images.tobytes(),
            "headers": {"Inference-Header-Content-Length": str(len(head))},
        }
        alone = [seconds(partial(classifier.predict, images)) for _ in range(repeats)]
        print(f"{f'the model alone, batches of {size}':<44} {size / statistics.median(alone):8.0f} images/s")
        for name, path, body in (
            ("raw tensors", "/v2/models/digits/infer", raw),
            ("TensorFlow Serving's JSON", "/v1/models/digits:predict", {"json": {"instances": images.tolist()}}),
        ):
            ours, theirs = [], []
            for _ in range(repeats):
                ours.append(seconds(partial(session.post, address + path, **body)))
                theirs.append(seconds(partial(session.post, plain + path, **body)))
            each = statistics.median(ours)
            ratio = statistics.median(theirs) / each
            print(f"{f'{name}, batches of {size}':<44} {size / each:8.0f} images/s, {ratio:.2f} of plain Starlette")


def seconds(function: Callable[[], object]) -> float:
    """The duration of a call in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
