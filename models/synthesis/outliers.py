"""Non-digit images in MNIST's format: letters, signs, filled shapes, strokes and blobs.

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

SHARES = {"letter": 0.35, "sign": 0.35, "shape": 0.1, "strokes": 0.15, "blob": 0.05}
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
    makers = {"letter": _letter, "sign": _sign, "shape": _shape, "strokes": _strokes, "blob": _blob}
    return np.stack([to_mnist(makers[kind](rng)) for kind in kinds])


def _letter(rng: np.random.Generator) -> Drawing:
    return warp(draw_character(LETTERS[int(rng.integers(len(LETTERS)))], rng), rng)


def _sign(rng: np.random.Generator) -> Drawing:
    strokes = _SIGNS[int(rng.integers(len(_SIGNS)))]
    size = rng.uniform(30, 64, 2)
    corners = [np.array(stroke) * size + (SIDE - size) / 2 for stroke in strokes]
    return warp(draw_strokes(corners, rng.uniform(0.3, 2), rng), rng)


def _shape(rng: np.random.Generator) -> Drawing:
    """A filled ellipse or polygon, not as narrow as a 1."""
    height = rng.uniform(40, 80)
    radii = np.array([height * rng.uniform(0.6, 1.2), height]) / 2
    corners = int(rng.choice([3, 4, 5, 6, 60]))  # 60 for an ellipse
    angles = rng.uniform(0, 2 * np.pi) + np.arange(corners) * 2 * np.pi / corners
    points = SIDE / 2 + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    drawing = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(drawing, [np.rint(points).astype(np.int32)], 255, cv2.LINE_AA)
    return warp(drawing, rng)


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
    # Greek letters except those that look like a digit: δ, ε, θ, ι, ο, σ, ζ.
    [[(1, 0), (0.65, 0.75), (0.3, 1), (0, 0.65), (0.25, 0.25), (0.6, 0.45), (1, 1)]],  # α
    [[(0.1, 1), (0.1, 0.3), (0.45, 0), (0.8, 0.2), (0.4, 0.45), (0.9, 0.6), (0.8, 0.85), (0.4, 0.9), (0.1, 0.7)]],  # β
    [[(0, 0), (0.5, 0.6), (0.4, 1), (0.35, 0.85), (1, 0)]],  # γ
    [[(0.1, 0), (0.3, 0.05), (1, 1)], [(0.5, 0.4), (0, 1)]],  # λ
    [[(0.1, 1), (0.1, 0), (0.1, 0.6), (0.4, 0.75), (0.8, 0.5), (0.8, 0), (0.8, 0.7), (1, 0.75)]],  # µ
    [[(0, 0.1), (1, 0.05)], [(0.3, 0.1), (0.2, 1)], [(0.7, 0.1), (0.75, 1)]],  # π
    [[(0.5, 0.2), (0, 0.4), (0.1, 0.7), (0.5, 0.8), (1, 0.7), (1, 0.35), (0.5, 0.2)], [(0.5, 0), (0.5, 1)]],  # φ, Ф
    [[(0.15, 0.1), (0, 0.6), (0.25, 1), (0.5, 0.6), (0.5, 0.3), (0.5, 0.6), (0.75, 1), (1, 0.6), (0.85, 0.1)]],  # ω
    [[(0, 1), (0.35, 1), (0.05, 0.5), (0.5, 0), (0.95, 0.5), (0.65, 1), (1, 1)]],  # Ω
    # Cyrillic letters that have neither the shape of a Latin letter nor of a digit.
    [[(0, 0), (1, 1)], [(1, 0), (0, 1)], [(0.5, 0), (0.5, 1)]],  # Ж
    [[(0, 0), (0, 1), (1, 0), (1, 1)]],  # И
    [[(0, 0), (0, 1), (1, 1), (1, 0)], [(0.5, 0), (0.5, 1)]],  # Ш
    [[(0, 1), (0, 0), (1, 0), (1, 1)]],  # П
    [[(0, 1), (0.4, 0), (0.9, 0), (0.9, 1)]],  # Л
    [[(1, 1), (1, 0), (0.3, 0), (0.1, 0.3), (0.3, 0.55), (1, 0.55)], [(0.6, 0.55), (0, 1)]],  # Я
    [[(0.2, 0.8), (0.4, 0), (0.8, 0), (0.8, 0.8)], [(0, 1), (0, 0.8), (1, 0.8), (1, 1)]],  # Д
]
