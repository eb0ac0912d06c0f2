"""Non-digit images in MNIST's format: letters, signs, strokes and blobs.

Added to each batch with the uniform distribution as target, they teach a ten-class network to abstain: Hendrycks et
al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from models.synthesis.strokes import SIDE, Drawing, draw_character, draw_strokes, to_mnist, warp

LETTERS = "ACEFHJKLMNPRTUVWXYadefhjkmnprtuvwxy"
"""Latin letters except those that look like a digit: O o D Q, I i l, Z z, S s, b G, B, g q, c."""

SHARES = {"letter": 0.5, "sign": 0.2, "strokes": 0.2, "blob": 0.1}
"""Share of each kind."""


def make_outliers(count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Makes `count` outliers.

    Args:
        count: how many to make.
        seed: the same seed gives the same images.

    Returns:
        uint8 [count, 28, 28], white ink on black, sized and centred as in MNIST.
    """
    rng = np.random.default_rng(seed)
    kinds = rng.choice(list(SHARES), size=count, p=list(SHARES.values()))
    makers = {"letter": _letter, "sign": _sign, "strokes": _strokes, "blob": _blob}
    return np.stack([to_mnist(makers[kind](rng)) for kind in kinds])


def _letter(rng: np.random.Generator) -> Drawing:
    return warp(draw_character(LETTERS[int(rng.integers(len(LETTERS)))], rng), rng)


def _sign(rng: np.random.Generator) -> Drawing:
    strokes = _SIGNS[int(rng.integers(len(_SIGNS)))]
    size = rng.uniform(30, 64, 2)
    corners = [np.array(stroke) * size + (SIDE - size) / 2 for stroke in strokes]
    return warp(draw_strokes(corners, rng.uniform(0.3, 2), rng), rng)


def _strokes(rng: np.random.Generator) -> Drawing:
    strokes = [rng.uniform(12, SIDE - 12, (int(rng.integers(3, 9)), 2)) for _ in range(int(rng.integers(1, 4)))]
    return draw_strokes(strokes, rng.uniform(0.5, 8), rng)


def _blob(rng: np.random.Generator) -> Drawing:
    coarse = int(rng.integers(3, 14))
    field = cv2.resize(
        rng.normal(0, 1, (coarse, coarse)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
    )
    drawing = ((field > rng.uniform(-0.3, 1)) * 255).astype(np.uint8)
    height, width = (int(value) for value in rng.integers(12, SIDE, 2))
    return np.ascontiguousarray(drawing[:height, :width])


# Each sign: strokes as lists of corners (x, y) in a box from (0, 0), top left, to (1, 1), bottom right.
_SIGNS: list[list[list[tuple[float, float]]]] = [
    [[(0, 0.5), (1, 0.5)], [(0.5, 0), (0.5, 1)]],  # plus
    [[(0, 0), (1, 1)], [(0, 1), (1, 0)]],  # times
    [[(0, 0.3), (1, 0.3)], [(0, 0.7), (1, 0.7)]],  # equals
    [[(0, 0.5), (1, 0.5)], [(0.5, 0.15), (0.5, 0.2)], [(0.5, 0.8), (0.5, 0.85)]],  # divided by
    [[(0, 0.35), (1, 0.3)], [(0, 0.7), (1, 0.65)], [(0.35, 0), (0.3, 1)], [(0.7, 0), (0.65, 1)]],  # hash
    [[(0.5, 1), (0.05, 0.4), (0.15, 0), (0.5, 0.25), (0.85, 0), (0.95, 0.4), (0.5, 1)]],  # heart
    [[(0, 0.5), (1, 0.5)], [(0.7, 0.2), (1, 0.5), (0.7, 0.8)]],  # arrow
    [[(0.1, 1), (0.5, 0), (0.9, 1), (0, 0.35), (1, 0.35), (0.1, 1)]],  # star
    [[(0.5, 0), (1, 1), (0, 1), (0.5, 0)]],  # triangle
    [[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]],  # square
    [[(0.1, 0.25), (0.2, 0.02), (0.7, 0), (0.9, 0.25), (0.5, 0.5), (0.5, 0.72)], [(0.5, 0.93), (0.52, 0.97)]],  # ?
    [[(0, 0.55), (0.35, 1), (1, 0)]],  # tick
]
