"""Images that are no digits, in MNIST's format: letters, strokes and blobs.

Trained towards the uniform distribution (16 beside each batch of 128 digits) they teach a network of ten classes to
doubt: "outlier exposure", Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from serving_bot.normalising import normalise

LETTERS = "ACEFHJKLMNPRTUVWXYadefhjkmnprtuvwxy"
"""Latin letters without those that are drawn like a digit: O o D Q, I i l, Z z, S s, b G, B, g q, c."""

SHARES = {"letter": 0.6, "strokes": 0.25, "blob": 0.15}
"""How the kinds are mixed."""

Images = npt.NDArray[np.uint8]
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
_SIDE = 96


def make_outliers(count: int, seed: int) -> Images:
    """Makes `count` outliers.

    Args:
        count: how many to make.
        seed: the same seed gives the same images.

    Returns:
        uint8 [count, 28, 28], white ink on black, sized and centred as MNIST is.
    """
    rng = np.random.default_rng(seed)
    kinds = rng.choice(list(SHARES), size=count, p=list(SHARES.values()))
    makers = {"letter": _letter, "strokes": _strokes, "blob": _blob}
    return np.stack([_cut(makers[kind](rng)) for kind in kinds])


def _cut(drawing: Images) -> Images:
    rows, columns = np.flatnonzero(drawing.max(axis=1) > 127), np.flatnonzero(drawing.max(axis=0) > 127)
    if not rows.size:
        return np.zeros((28, 28), np.uint8)
    ink = drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return normalise(ink.astype(np.float32) / 255)


def _letter(rng: np.random.Generator) -> Images:
    drawing = np.zeros((_SIDE, _SIDE), np.uint8)
    text = LETTERS[int(rng.integers(len(LETTERS)))]
    font, thickness = int(rng.choice(_FONTS)), int(rng.integers(2, 11))
    cv2.putText(drawing, text, (22, 66), font, float(rng.uniform(1.6, 2.2)), 255, thickness, cv2.LINE_AA)
    # Hands slant, stretch and bend what fonts draw straight.
    matrix = np.eye(2, 3, dtype=np.float32) + rng.normal(0, 0.12, (2, 3)).astype(np.float32)
    matrix[:, 2] = _SIDE / 2 - matrix[:, :2] @ np.full(2, _SIDE / 2, np.float32)
    return _bend(cv2.warpAffine(drawing, matrix, (_SIDE, _SIDE)), rng)


def _bend(drawing: Images, rng: np.random.Generator) -> Images:
    y, x = np.mgrid[0:_SIDE, 0:_SIDE].astype(np.float32)
    shifts = cv2.resize(rng.normal(0, 4, (4, 4, 2)).astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.remap(drawing, x + shifts[..., 0], y + shifts[..., 1], cv2.INTER_LINEAR), np.uint8)


def _strokes(rng: np.random.Generator) -> Images:
    drawing = np.zeros((_SIDE, _SIDE), np.uint8)
    thickness = int(rng.integers(3, 11))
    for _ in range(int(rng.integers(1, 4))):
        corners = rng.uniform(12, _SIDE - 12, (int(rng.integers(3, 9)), 2))
        times = np.linspace(0, len(corners) - 1, 100)
        path = np.stack([np.interp(times, np.arange(len(corners)), corners[:, axis]) for axis in (0, 1)], axis=1)
        path = cv2.GaussianBlur(path.astype(np.float32), (1, 21), float(rng.uniform(0.5, 8)))
        cv2.polylines(drawing, [np.rint(path).astype(np.int32)], False, 255, thickness, cv2.LINE_AA)
    return drawing


def _blob(rng: np.random.Generator) -> Images:
    coarse = int(rng.integers(3, 14))
    field = cv2.resize(
        rng.normal(0, 1, (coarse, coarse)).astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC
    )
    drawing = ((field > rng.uniform(-0.3, 1)) * 255).astype(np.uint8)
    height, width = (int(value) for value in rng.integers(12, _SIDE, 2))
    return np.ascontiguousarray(drawing[:height, :width])
