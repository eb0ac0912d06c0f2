"""The learning loop with synthetic people: hands that the current model reads badly, corrections, and the next model.

    digits run --epochs 3 --root build/loop/runs --push-dir build/loop/push
    python -m benchmarks.loop build/loop/runs build/loop/push

A hand is MNIST's validation digits, strongly slanted, squeezed, with its own stroke width and crossed 7s. The figures
show that the loop learns from corrections, not how well people are read.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
import typer

from components.mnist_example_gen.executor import find_parts, read_batches
from models.synthesis import pages
from pipeline.config import PipelineConfig
from serving_bot.feedback.contribution import Contribution
from serving_bot.feedback.snapshot import EVALUATION_SHARE, Example
from serving_bot.feedback.store import Store
from serving_bot.reading.classifier import Classifier
from serving_bot.reading.reader import Reader
from serving_bot.versions.registry import asked_for

HANDS = 20  # that correct, and as many others that are only measured
CORRECTIONS = 300
PAGES_A_HAND = 25  # on which a hand is measured
SIZE = (450, 600)  # of a page, in pixels

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Hand:
    """The handwriting of one synthetic person."""

    slant: float  # columns to the right for each row up
    width: float  # of a digit, times MNIST's
    pen: int  # width of the pen's square tip in quarters of an MNIST pixel

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Hand:
        """One of the group: slanted far to the left, narrow or wide."""
        return cls(-float(rng.uniform(1.3, 1.6)), float(rng.uniform(0.8, 1.25)), int(rng.integers(1, 4)))

    def write(self, image: Images, digit: int) -> Images:
        """An MNIST digit in this hand: uint8 [28, 28] to uint8 [168, 224]."""
        large = cv2.resize(image, (112, 112), interpolation=cv2.INTER_CUBIC)
        if digit == 7:
            rows, columns = np.nonzero(large[50:62] > 127)
            middle = int(np.median(columns)) if len(rows) else 56
            cv2.line(large, (middle - 20, 58), (middle + 20, 54), 255, 8)
        shear = np.array([[self.width, -self.slant, 112 - 56 * self.width + 56 * self.slant], [0, 1, 28]], np.float32)
        slanted = cv2.warpAffine(large, shear, (224, 168))
        return np.asarray(cv2.dilate(slanted, np.ones((self.pen, self.pen), np.uint8)))


def write_page(hand: Hand, image: Images, digit: int, rng: np.random.Generator) -> bytes:
    """A photo of one digit in this hand, on paper without lines, whose effect on reading is not learned."""
    return pages.photo([hand.write(image, digit)], rng, size=SIZE, instrument="pen", ground="plain")


def load_validation(data: Path) -> tuple[Images, npt.NDArray[np.uint8]]:
    """MNIST's held-out training images and their digits."""
    batches = list(read_batches(find_parts(str(data), PipelineConfig.eval_size)["eval"]))
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return images, labels


def measure(reader: Reader, hands: list[Hand], images: Images, labels: npt.NDArray[np.uint8], seed: int) -> float:
    """The share of pages whose digit is read correctly, confident or not."""
    rng = np.random.default_rng(seed)
    right = []
    for hand in hands:
        for index in rng.integers(len(images), size=PAGES_A_HAND):
            reading = reader.read(write_page(hand, images[index], int(labels[index]), rng))
            right.append(reading.text == str(labels[index]))
    return float(np.mean(right))


def correct(
    store: Store, reader: Reader, version: int, images: Images, labels: npt.NDArray[np.uint8], seed: int
) -> dict[str, int]:
    """Lets hands send pages and correct the answers, and accepts the corrections.

    Of HANDS the digits are trained on; a quarter as many more are those that the run evaluates on.

    Returns:
        How many pages were sent, how many digits were contributed to train on, and how many of those were wrong before.
    """
    rng = np.random.default_rng(seed)
    count = HANDS + HANDS // EVALUATION_SHARE
    people = [(Hand.draw(rng), _name(f"hand {number}", evaluates=number >= HANDS)) for number in range(count)]
    counts = {"pages": 0, "trained": 0, "corrections": 0}
    while counts["trained"] < CORRECTIONS:
        hand, name = people[counts["pages"] % len(people)]
        index = int(rng.integers(len(images)))
        reading = reader.read(write_page(hand, images[index], int(labels[index]), rng))
        counts["pages"] += 1
        if len(reading.digits) != 1:
            continue  # nothing to correct: users judge only digits of the reading
        (digit,) = reading.digits
        one = Contribution(
            id=f"{counts['pages']:032x}",
            contributor=name,
            image=digit.image,
            said=int(labels[index]),
            answered=digit.digit,
            probability=digit.probability,
            version=version,
            at=datetime.now(timezone.utc),
        )
        store.add(one.id, one.contributor, one.to_png())
        store.review(one, "accepted", one.said)
        if not Example(one.id, name, one.image, one.said, one.answered).evaluates:
            counts["trained"] += 1
            counts["corrections"] += one.corrects
    return counts


def _name(person: str, evaluates: bool) -> str:
    """A contributor's name on the given side of the split."""
    for attempt in range(10_000):
        name = f"{person} {attempt}".encode().hex().ljust(32, "0")[:32]
        if Example("", name, np.zeros((28, 28), np.uint8), 0, 0).evaluates == evaluates:
            return name
    raise AssertionError("no name falls on that side")


def load(push_dir: str) -> tuple[Reader, int, float]:
    """A reader with the model in service, the model's version, and its accuracy on MNIST's test images."""
    pushed = asked_for(push_dir)[0]
    reader = Reader(Classifier.load(pushed.version.path))
    return reader, pushed.version.number, float(pushed.card["metrics"]["test_accuracy"])


def main(
    root: Path,
    push_dir: str,
    epochs: Annotated[int, typer.Option(help="Of the next model.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the hands.")] = 1,
) -> None:
    """Prints how the group is read before and after, and MNIST's test accuracy."""
    images, labels = load_validation(root / "data")
    feedback = root / "feedback"
    half = len(images) // 2  # the corrected and the measured digits are different images
    others = [Hand.draw(np.random.default_rng(1000 * seed + number)) for number in range(HANDS)]
    reader, version, accuracy = load(push_dir)
    before = measure(reader, others, images[half:], labels[half:], seed + 1)
    print(f"before: {before:.1%} of {HANDS * PAGES_A_HAND} pages of {HANDS} hands, MNIST test {accuracy:.2%}")
    counts = correct(Store(str(feedback)), reader, version, images[:half], labels[:half], seed)
    print(f"{counts['trained']} accepted digits to train on, {counts['corrections']} of them had been wrong")
    options = ["--epochs", str(epochs), "--root", str(root), "--push-dir", push_dir, "--feedback", str(feedback)]
    done = subprocess.run([sys.executable, "-m", "pipeline.cli", "run", *options], check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
    reader, _, later = load(push_dir)
    after = measure(reader, others, images[half:], labels[half:], seed + 1)
    print(f"after: {after:.1%}, MNIST test {later:.2%} ({later - accuracy:+.2%})")


if __name__ == "__main__":
    typer.run(main)
