"""Non-digit images as a reader of numbers produces them: joined digits that were cut in the wrong place.

A reader that lets the network choose among cuts (serving_bot/reading, after LeCun et al., 1998, section VI) needs one
that is unsure about halves, pairs, and digits with a piece of their neighbour. But half an 8 may be a 3, so anything
that resembles a digit is not used.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from models.synthesis.strokes import crop, to_mnist

Images = npt.NDArray[np.uint8]

LIKE_A_DIGIT = 0.9
"""A cut with a higher cosine similarity to a digit's image, both blurred to 14×14, resembles that digit."""

_SCALE = 3  # digits are composed at three times MNIST's size
_PARTS = {"part": 0.4, "pair": 0.3, "digit and neighbour": 0.3}
_MOST_TRIES = 8  # cuts made for each one wanted, at most


def make_wrong_cuts(digits: Images, count: int, seed: int) -> Images:
    """Cuts pairs of digits in wrong places.

    Args:
        digits: uint8 [M, 28, 28], of all classes; no result resembles any of them.
        count: how many to make.
        seed: the same seed and digits give the same images.

    Returns:
        uint8 [N, 28, 28], white ink on black, sized and centred as in MNIST. N is `count`, or less if nearly all cuts
        are empty or resemble a digit.
    """
    rng = np.random.default_rng(seed)
    known = _blurred(digits)
    found = [digits[:0]]
    for _ in range(_MOST_TRIES):
        wanted = count - sum(map(len, found))
        if wanted <= 0:
            break
        inks = (_cut(digits, rng) for _ in range(wanted))
        cuts = np.array([to_mnist(ink) for ink in inks if ink.size], np.uint8).reshape(-1, 28, 28)
        unlike = (_blurred(cuts) @ known.T).max(axis=1) < LIKE_A_DIGIT
        found.append(cuts[unlike & (cuts.max(axis=(1, 2)) > 127)])
    return np.asarray(np.concatenate(found)[:count], np.uint8)


def _cut(digits: Images, rng: np.random.Generator) -> Images:
    """Ink that a wrong cut would leave: uint8 [height, width]."""
    first, second = (_tight(digits[int(index)], rng) for index in rng.integers(len(digits), size=2))
    kind = rng.choice(list(_PARTS), p=list(_PARTS.values()))
    if kind == "part":
        at = int(rng.uniform(0.35, 0.65) * first.shape[1])
        return first[:, :at] if rng.random() < 0.5 else first[:, at:]
    both, start = _join(first, second, int(rng.integers(-2 * _SCALE, 3 * _SCALE)))
    if kind == "pair":
        return both
    begin, end = (0.0, rng.uniform(0.3, 0.7)) if rng.random() < 0.5 else (rng.uniform(0.3, 0.7), 1.0)
    return both[:, int(begin * first.shape[1]) : start + int(end * second.shape[1])]


def _tight(image: Images, rng: np.random.Generator) -> Images:
    """A digit cropped to its ink, enlarged and slanted."""
    ink = crop(image, 60)
    if not ink.size:
        return np.zeros((_SCALE, _SCALE), np.uint8)
    height, width = (_SCALE * side for side in ink.shape)
    slant = float(rng.normal(0, 0.15))
    matrix = np.array([[_SCALE, _SCALE * slant, max(0.0, -slant * height)], [0, _SCALE, 0]])
    size = (width + int(abs(slant) * height) + 1, height)
    return np.asarray(cv2.warpAffine(ink, matrix, size, flags=cv2.INTER_CUBIC), np.uint8)


def _join(first: Images, second: Images, gap: int) -> tuple[Images, int]:
    """Two digits side by side, and the column where the second begins."""
    height, start = max(len(first), len(second)), max(0, first.shape[1] + gap)
    both = np.zeros((height, max(start + second.shape[1], first.shape[1])), np.uint8)
    for ink, left in ((first, 0), (second, start)):
        top = (height - len(ink)) // 2
        view = both[top : top + len(ink), left : left + ink.shape[1]]
        np.maximum(view, ink, out=view)
    return both, start


def _blurred(images: Images) -> npt.NDArray[np.float32]:
    """Unit vectors float32 [N, 196] of images [N, 28, 28]."""
    halves = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4), dtype=np.float32)
    smooth = np.array([cv2.GaussianBlur(half, (3, 3), 0) for half in halves], np.float32).reshape(-1, 196)
    return np.asarray(smooth / np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-6), np.float32)
