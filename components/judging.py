"""Judges a model on synthetic pictures like those people send, through the whole reader, and on non-digit pictures.

A model can do well on MNIST but badly on people's pictures, or take a cat for a 5. So MNIST's test images alone do not
decide on a push.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.synthesis import pages
from serving_bot.reading.classifier import Classifier
from serving_bot.reading.reader import Reader

PAGES = {"digit": 40, "number of four digits": 30, "two joined digits": 30}  # synthetic pictures of each kind
_DIGITS = {"digit": 1, "number of four digits": 4, "two joined digits": 2}  # digits in each picture
OTHERS = 8  # pictures of each of `pages.NON_DIGITS`
SIZE = (450, 600)  # height and width of a picture in pixels
_ROUNDING = 1e-9
SEED = 2026  # the same pictures for every model, so models can be compared

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Judged:
    """A picture and its answer."""

    kind: str
    label: str  # the number it shows; empty if it shows none
    data: bytes  # the picture, JPEG or PNG
    text: str  # what was read
    sure: bool  # whether the answer is confident

    @property
    def right(self) -> bool:
        """Whether the answer is right: the number, confidently; without a number, no confident answer."""
        return self.sure and self.text == self.label if self.label else not self.sure


@dataclass(frozen=True)
class Judgement:
    """The answers to all pictures."""

    pictures: tuple[Judged, ...]

    @property
    def pages(self) -> list[Judged]:
        """The pictures that show a number."""
        return [one for one in self.pictures if one.label]

    @property
    def others(self) -> list[Judged]:
        """The pictures without a digit."""
        return [one for one in self.pictures if not one.label]

    @property
    def pages_accuracy(self) -> float:
        """Share of the synthetic pages with a confident right answer."""
        return float(np.mean([one.right for one in self.pages]))

    @property
    def pages_wrong(self) -> float:
        """Share of the synthetic pages with a confident wrong answer."""
        return float(np.mean([one.sure and not one.right for one in self.pages]))

    @property
    def refusal(self) -> float:
        """Share of the pictures without a digit that get no confident answer."""
        return float(np.mean([one.right for one in self.others]))

    def by_kind(self) -> dict[str, float]:
        """The share of right answers for each kind of picture."""
        return _by_kind(self.pictures)

    def misses(self, thresholds: Mapping[str, float], baseline: Judgement | None = None) -> list[str]:
        """A text for each missed threshold, with the worst kinds of pictures.

        Args:
            thresholds: `min_pages_accuracy` and `min_refusal`; `max_pictures_drop` below the baseline's figures.
            baseline: the answers of the baseline to the same pictures; None without one.
        """
        found = []
        drop = thresholds.get("max_pictures_drop", 1.0)
        for name, figure, what in (
            ("min_pages_accuracy", "pages_accuracy", "of synthetic pages get a confident right answer"),
            ("min_refusal", "refusal", "of the pictures without a digit get no confident answer"),
        ):
            value, before = getattr(self, figure), getattr(baseline, figure, 0.0)
            pictures = self.pages if figure == "pages_accuracy" else self.others
            kinds = _by_kind(pictures)
            worst = ", ".join(
                f"{kind} {share:.0%}" for share, kind in sorted((kinds[kind], kind) for kind in kinds)[:3]
            )
            if value < thresholds.get(name, 0.0):
                option = f"--{name.replace('_', '-')} {thresholds[name]:.2%}"
                found.append(f"{value:.2%} {what}, below {option} (the worst: {worst})")
            elif before - value > drop + _ROUNDING:
                found.append(
                    f"{value:.2%} {what}, {100 * (before - value):.2f} points below the baseline's {before:.2%}; "
                    f"--max-pictures-drop allows {100 * drop:.2f} (the worst: {worst})"
                )
        return found


def _by_kind(pictures: Iterable[Judged]) -> dict[str, float]:
    kinds: dict[str, list[bool]] = {}
    for one in pictures:
        kinds.setdefault(one.kind, []).append(one.right)
    return {kind: float(np.mean(right)) for kind, right in kinds.items()}


Picture = tuple[str, str, bytes]  # kind, label and file


def judge(classifier: Classifier, pictures: Iterable[Picture]) -> Judgement:
    """Reads pictures.

    Args:
        classifier: the model, loaded the way the bot loads it.
        pictures: as from `make_pictures`.
    """
    reader = Reader(classifier)
    judged = []
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # (on small pictures threads cost more than they save)
    try:
        for kind, label, data in pictures:
            reading = reader.read(data)
            judged.append(Judged(kind, label, data, reading.text, reading.sure))
    finally:
        cv2.setNumThreads(threads)
    return Judgement(tuple(judged))


def judge_export(export: str, pictures: Iterable[Picture]) -> Judgement:
    """The same with an exported model, for a worker.

    Raises:
        BrokenModelError: it cannot be loaded.
    """
    return judge(Classifier.load(export), pictures)


def make_pictures(images: Images, labels: npt.NDArray[np.int64]) -> Iterator[Picture]:
    """Synthetic pages of digits, and synthetic pictures without digits.

    Args:
        images: validation images uint8 [N, 28, 28] that the pages are composed of.
        labels: int64 [N], their digits.
    """
    rng = np.random.default_rng(SEED)
    for kind, count in PAGES.items():
        for _ in range(count):
            chosen = rng.integers(len(images), size=_DIGITS[kind])
            glyphs = [images[index] for index in chosen]
            joined = kind == "two joined digits"
            data = pages.joined(glyphs, int(rng.integers(-4, 3))) if joined else pages.photo(glyphs, rng, size=SIZE)
            yield kind, "".join(str(labels[index]) for index in chosen), data
    for kind in pages.NON_DIGITS:
        for _ in range(OTHERS):
            yield kind, "", pages.non_digit(kind, rng, size=SIZE)
