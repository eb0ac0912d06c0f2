"""The reader's figures: python -m benchmarks.reader --push-dir serving_model --data runs/data [--photos DIR]."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from components.mnist_example_gen.idx import IMAGES_MAGIC, LABELS_MAGIC, IdxReader
from models.synthesis import pages
from serving_bot.reading.classifier import Classifier
from serving_bot.reading.evaluation import collect, evaluate, summarise
from serving_bot.reading.reader import Reader
from serving_bot.versions.registry import asked_for


def main() -> None:
    """Prints one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--push-dir", default="serving_model")
    parser.add_argument("--data", type=Path, default=Path("runs/data"), help="folder of the four IDX files")
    parser.add_argument("--photos", type=Path, help="folder of labelled pictures, read as well")
    parser.add_argument("--pictures", type=int, default=600, help="made digits; as many non-digits over their kinds")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    reader = Reader(Classifier.load(asked_for(options.push_dir)[0].version.path))
    images, labels = load_test_set(options.data)
    rng = np.random.default_rng(options.seed)
    print_digits(reader, images, labels, rng, options.pictures)
    print_joined(reader, images, labels, rng, options.pictures // 4)
    print_non_digits(reader, rng, options.pictures)
    print_times(reader, images, rng)
    if options.photos:
        summary = summarise(evaluate(reader, collect(options.photos)))
        for kind, row in [*summary.get("per_kind", {}).items(), ("all photos", summary)]:
            wrong, refused = row["wrong"] / row["pictures"], row["abstentions"] / row["pictures"]
            print(
                f"{kind:<40} {row['accuracy']:8.2%} right, {wrong:6.2%} surely wrong, {refused:6.2%} refused, "
                f"{row['best_guess_accuracy']:8.2%} right if doubtful answers count, of {row['pictures']}"
            )


def load_test_set(folder: Path) -> tuple[pages.Pixels, pages.Pixels]:
    """The test images, uint8 [10000, 28, 28], and labels, uint8 [10000]."""
    arrays = []
    for name, magic in (("t10k-images-idx3-ubyte", IMAGES_MAGIC), ("t10k-labels-idx1-ubyte", LABELS_MAGIC)):
        (path,) = sorted(folder.glob(f"{name}*"))[:1]
        with path.open("rb") as file:
            arrays.append(np.concatenate(list(IdxReader(file, file.name, magic).batches(10_000))))
    return arrays[0], arrays[1]


def print_digits(
    reader: Reader, images: pages.Pixels, labels: pages.Pixels, rng: np.random.Generator, count: int
) -> None:
    """Share of digits, and of numbers of four, on paper that are read right."""
    for size, number in ((1, count), (4, count // 4)):
        right = refused = 0
        for _ in range(number):
            chosen = rng.integers(len(images), size=size)
            reading = reader.read(pages.photo([images[i] for i in chosen], rng))
            right += reading.sure and reading.text == "".join(str(labels[i]) for i in chosen)
            refused += not reading.sure
        name = "digits on paper" if size == 1 else "numbers of four digits on paper"
        print(f"{name:<40} {right / number:8.2%} right, {refused / number:6.2%} refused, of {number}")


def print_joined(
    reader: Reader, images: pages.Pixels, labels: pages.Pixels, rng: np.random.Generator, count: int
) -> None:
    """Share of synthetic pairs and triples that are read right: MNIST's digits, overlapping by 0 to 4 pixels of 28."""
    for size in (2, 3):
        right = wrong = 0
        for _ in range(count):
            chosen = rng.integers(len(images), size=size)
            reading = reader.read(pages.joined([images[i] for i in chosen], int(rng.integers(5))))
            expected = "".join(str(labels[i]) for i in chosen)
            right += reading.sure and reading.text == expected
            wrong += reading.sure and reading.text != expected
        name = f"made: {size} joined digits"
        print(f"{name:<40} {right / count:8.2%} right, {wrong / count:6.2%} surely wrong, of {count}")


def print_non_digits(reader: Reader, rng: np.random.Generator, count: int) -> None:
    """Share of pictures without a digit that are answered with "not sure" or "nothing found"."""
    each = count // len(pages.NON_DIGITS)
    shares = []
    for kind in pages.NON_DIGITS:
        refused = sum(not reader.read(pages.non_digit(kind, rng)).sure for _ in range(each))
        shares.append(refused / each)
        print(f"no digit: {kind:<30} {shares[-1]:8.2%} refused, of {each}")
    print(f"{'no digit: mean of the kinds':<40} {np.mean(shares):8.2%} refused")


def print_times(reader: Reader, images: pages.Pixels, rng: np.random.Generator) -> None:
    """Median CPU and wall time from a picture's bytes to its answer."""
    for size, repeats in (((960, 1280), 40), ((3000, 4000), 6)):
        pictures = [pages.photo([images[int(rng.integers(len(images)))]], rng, size=size) for _ in range(repeats)]
        reader.read(pictures[0])
        cpu, wall = [], []
        for data in pictures:
            start = time.process_time(), time.perf_counter()
            reader.read(data)
            cpu.append(time.process_time() - start[0])
            wall.append(time.perf_counter() - start[1])
        name = f"{size[1]}×{size[0]} picture to answer"
        print(f"{name:<40} {1000 * np.median(wall):7.1f} ms, of them {1000 * np.median(cpu):.1f} ms of CPU (medians)")


if __name__ == "__main__":
    main()
