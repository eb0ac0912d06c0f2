"""The web server's figures: python -m benchmarks.serving --push-dir serving_model [--repeats 200].

`digits serve` runs as a process of its own, on loopback, and is asked over one connection that is kept alive.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import psutil
import requests

from models.synthesis import pages
from serving_bot.reading.classifier import Classifier
from serving_bot.reading.reader import Reader
from serving_bot.versions.folder import newest_version

SIZE = (960, 1280)


def main() -> None:
    """Prints one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--push-dir", default="serving_model")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--pictures", type=int, default=1000, help="after which memory is looked at")
    options = parser.parse_args()
    cv2.setNumThreads(1)  # as in the server
    classifier = Classifier.load(newest_version(options.push_dir))
    rng = np.random.default_rng(2026)
    digits = [make_digit(rng) for _ in range(10)]
    pictures = [pages.photo([digit], rng, size=SIZE) for digit in digits]
    with running(options.push_dir) as (address, server), requests.Session() as session:
        print_reading(session, address, Reader(classifier), pictures, options.repeats)
        print_tensors(session, address, classifier, options.repeats)
        for number in range(options.pictures):
            session.post(f"{address}/read", data=pictures[number % len(pictures)])
        memory = server.memory_info().rss / 2**20
        print(f"{'memory after ' + str(options.pictures) + ' pictures':<44} {memory:8.1f} MiB")


@contextmanager
def running(push_dir: str) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the process of a server that refuses nobody for asking often."""
    command = [sys.executable, "-u", "-m", "pipeline.cli", "serve", "--push-dir", push_dir, "--port", "0"]
    server = subprocess.Popen([*command, "--requests-per-minute", "10000000"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield next(line.split()[0] for line in server.stdout if line.startswith("http")), psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


def make_digit(rng: np.random.Generator) -> pages.Pixels:
    """A stroke that is read as a 1: uint8 [28, 28]."""
    return np.pad(rng.integers(150, 255, (20, 6), np.uint8), ((4, 4), (11, 11)))


def print_reading(session: requests.Session, address: str, reader: Reader, pictures: list[bytes], repeats: int) -> None:
    """POST /read over Reader.read in this process, alternating."""
    inside, outside = [], []
    for number in range(repeats):
        picture = pictures[number % len(pictures)]
        inside.append(seconds(lambda data=picture: reader.read(data)))
        outside.append(seconds(lambda data=picture: session.post(f"{address}/read", data=data)))
    name = f"POST /read of {SIZE[1]}×{SIZE[0]}, median"
    medians = statistics.median(outside), statistics.median(inside)
    print(f"{name:<44} {1000 * medians[0]:8.1f} ms, {medians[0] / medians[1]:.2f} of Reader.read")


def print_tensors(session: requests.Session, address: str, classifier: Classifier, repeats: int) -> None:
    """Predictions a second in batches of 1 and 64, in TensorFlow Serving's format and in raw tensors."""
    for size in (1, 64):
        images = np.random.default_rng(1).integers(0, 256, (size, 28, 28), np.uint8)
        head = (
            f'{{"inputs":[{{"name":"images","datatype":"UINT8","shape":[{size},28,28],'
            f'"parameters":{{"binary_data_size":{images.size}}}}}]}}'
        ).encode()
        body, length = head + images.tobytes(), {"Inference-Header-Content-Length": str(len(head))}
        instances = {"instances": images.tolist()}
        ways: dict[str, Callable[[], object]] = {
            "the model alone": lambda images=images: classifier.predict(images),  # type: ignore[misc]
            "raw tensors": lambda body=body, length=length: session.post(  # type: ignore[misc]
                f"{address}/v2/models/digits/infer", data=body, headers=length
            ),
            "TensorFlow Serving's JSON": lambda json=instances: session.post(  # type: ignore[misc]
                f"{address}/v1/models/digits:predict", json=json
            ),
        }
        for name, ask in ways.items():
            each = statistics.median(seconds(ask) for _ in range(repeats))
            print(f"{f'{name}, batches of {size}':<44} {size / each:8.0f} images/s")


def seconds(function: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
