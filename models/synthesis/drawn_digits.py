"""Draws digits in forms that are rare in MNIST, in MNIST's format, for training.

MNIST was written in the United States. Elsewhere a 1 may have a flag and a foot, a 7 a crossbar, a 4 an open top, a 5 a
detached bar, a 9 a straight stem or the shape of a P, a 0 a tail or a slash, and a 2 a loop at its foot.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from models.synthesis.strokes import SIDE, Drawing, draw_character, draw_strokes, to_mnist, warp

_FROM_FONTS = 0.35
"""Share of digits, of all classes, drawn with fonts."""

_LONG_FLAG = 0.4
"""Share of the other 1s with a flag about as long as the stem."""

_FLAT = 0.35
"""Share of the other 0s that are wider than high, as in quickly written amounts."""

Rng = np.random.Generator


def make_drawn_digits(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Makes `count` digits.

    Args:
        count: how many to make.
        seed: the same seed gives the same digits.

    Returns:
        Images uint8 [count, 28, 28], white ink on black, sized and centred as in MNIST, and labels int64 [count].
    """
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for _ in range(count):
        digit, drawing = _draw(rng)
        images.append(to_mnist(warp(drawing, rng)))
        labels.append(digit)
    return np.stack(images), np.array(labels, np.int64)


def _draw(rng: Rng) -> tuple[int, Drawing]:
    if rng.random() < _FROM_FONTS:
        digit = int(rng.integers(10))
        return digit, draw_character(str(digit), rng)
    digit = int(rng.choice(list(_FORMS), p=list(_SHARES)))
    # (people, too, would take a 4 or 7 as narrow as a 1 for a 1)
    size = np.array([rng.uniform(*((34, 52) if digit in (4, 7) else (22, 48))), rng.uniform(44, 60)])
    form = _FORMS[digit](rng)
    if digit == 0 and len(form) == 1 and rng.random() < _FLAT:
        size = size[::-1]
    strokes = [np.array(corners) * size + (SIDE - size) / 2 for corners in form]
    return digit, draw_strokes(strokes, rng.uniform(0.3, 5), rng)


# Each form: strokes as lists of corners (x, y) in a box from (0, 0), top left, to (1, 1), bottom right.
_Corners = list[tuple[float, float]]


def _arc(x: float, y: float, width: float, height: float, start: float, end: float) -> _Corners:
    """Part of an ellipse about (x, y), from `start` to `end` in degrees clockwise from the right."""
    angles = np.radians(np.linspace(start, end, 16))
    return [(float(x + width / 2 * np.cos(angle)), float(y + height / 2 * np.sin(angle))) for angle in angles]


def _one(rng: Rng) -> list[_Corners]:
    x = rng.uniform(0.4, 0.6)
    if rng.random() < _LONG_FLAG:  # possibly down to the baseline
        return [[(x - rng.uniform(0.3, 0.7), rng.uniform(0.6, 1.0)), (x, 0.0), (x + rng.uniform(-0.1, 0.3), 1.0)]]
    long = rng.uniform(0.15, 0.5)  # (a nearly horizontal one would make it a 7)
    strokes = [[(x - long, max(0.7 * long, rng.uniform(0.1, 0.55))), (x, 0.0), (x + rng.uniform(-0.1, 0.1), 1.0)]]
    if rng.random() < 0.3:  # a foot
        strokes.append([(x - rng.uniform(0.1, 0.35), 1.0), (x + rng.uniform(0.1, 0.35), 1.0)])
    return strokes


def _three(rng: Rng) -> list[_Corners]:
    knee = (rng.uniform(0.25, 0.5), rng.uniform(0.35, 0.45))
    top = [(rng.uniform(0.0, 0.2), rng.uniform(-0.05, 0.08)), (rng.uniform(0.75, 1.0), 0.0), knee]
    return [top + _arc(0.45, 0.7, 0.9, 0.6, -80, rng.uniform(120, 170))]


def _four(rng: Rng) -> list[_Corners]:
    x, y = rng.uniform(0.55, 0.8), rng.uniform(0.5, 0.75)
    form = rng.choice(["open", "closed", "one stroke"], p=[0.45, 0.5, 0.05])
    if form == "closed":
        return [[(x + rng.uniform(-0.1, 0.05), 0.0), (0.0, y), (1.0, y)], [(x, rng.uniform(0, 0.5)), (x, 1.0)]]
    hook = [(rng.uniform(0.1, 0.4), 0.0), (rng.uniform(0, 0.15), y), (1.0, y + rng.uniform(-0.05, 0.05))]
    foot = (x + rng.uniform(-0.1, 0.1), 1.0)
    return [[*hook, foot]] if form == "one stroke" else [hook, [(x, rng.uniform(0, 0.4)), foot]]


def _five(rng: Rng) -> list[_Corners]:
    x = rng.uniform(0.1, 0.3)
    neck = [(x, rng.uniform(0, 0.05)), (x - rng.uniform(0, 0.1), 0.42)]
    bar = [
        (x + rng.uniform(-0.05, 0.1), rng.uniform(-0.05, 0.05)),
        (rng.uniform(0.7, 1.05), rng.uniform(-0.1, 0.05)),
    ]
    return [neck + _arc(0.45, 0.68, 0.9, 0.64, -130, rng.uniform(90, 150)), bar]


def _six(rng: Rng) -> list[_Corners]:
    y = rng.uniform(0.66, 0.78)
    round_, angular = (
        [(rng.uniform(0.5, 0.9), rng.uniform(0, 0.05)), (rng.uniform(0.1, 0.3), rng.uniform(0.2, 0.4))],
        [(rng.uniform(0.6, 0.95), 0.05), (0.2, 0.03), (0.08, y)],
    )
    return [(round_ if rng.random() < 0.5 else angular) + _arc(0.5, y, 0.9, 2 * (1 - y), 180, 540)]


def _seven(rng: Rng) -> list[_Corners]:
    if rng.random() < 0.15:  # a wave for its top
        wave = [(0.0, rng.uniform(0.25, 0.45)), (rng.uniform(0.15, 0.25), rng.uniform(-0.05, 0.1))]
        wave += [(rng.uniform(0.35, 0.5), rng.uniform(0.25, 0.45)), (rng.uniform(0.8, 1), rng.uniform(-0.05, 0.1))]
        y = rng.uniform(0.55, 0.8)
        bar = [(rng.uniform(0.3, 0.5), y + rng.uniform(-0.08, 0.08)), (rng.uniform(0.9, 1.2), y)]
        return [[*wave, (rng.uniform(0.5, 0.85), 1.0)], bar]
    barred = rng.random() < 0.75
    left = rng.uniform(0.2, 0.5) if barred and rng.random() < 0.25 else 0.0  # the bar distinguishes it
    strokes = [[(left, rng.uniform(-0.05, 0.1)), (rng.uniform(0.75, 1), 0.0), (rng.uniform(0.2, 0.6), 1.0)]]
    if rng.random() < 0.4:  # a tick at its beginning
        strokes[0].insert(0, (left + rng.uniform(-0.03, 0.08), rng.uniform(0.12, 0.3)))
    if barred:
        y = rng.uniform(0.4, 0.6)
        left, right = rng.uniform(-0.08, 0.08, 2)
        strokes.append([(rng.uniform(0.15, 0.35), y + left), (rng.uniform(0.75, 1), y + right)])
    return strokes


def _eight(rng: Rng) -> list[_Corners]:
    y = rng.uniform(0.4, 0.5)
    width = rng.uniform(0.6, 1.0)
    if rng.random() < 0.5:  # two rings
        return [_arc(0.5, y / 2, width, y, 90, 450), _arc(0.5, (1 + y) / 2, 0.9, 1 - y, -90, 270)]
    upper = _arc(0.5, y / 2, width, y, rng.uniform(-50, 0), -270)
    return [[*upper, *_arc(0.5, (1 + y) / 2, 0.9, 1 - y, -90, 250), (rng.uniform(0.7, 1.0), rng.uniform(0.0, 0.25))]]


def _nine(rng: Rng) -> list[_Corners]:
    if rng.random() < 0.2:  # a P in one stroke that starts with a hook
        y = rng.uniform(0.2, 0.34)
        bowl = _arc(0.4, y, rng.uniform(0.7, 1.1), 2 * y, rng.uniform(-200, -140), rng.uniform(90, 140))
        x = rng.uniform(0.2, 0.4)
        return [bowl, [(x, rng.uniform(0.0, 0.3)), (x + rng.uniform(-0.1, 0.1), 1.0)]]
    if rng.random() < 0.35:  # like a P
        y = rng.uniform(0.2, 0.34)
        stem = [(rng.uniform(0.3, 0.6), 1.0), (rng.uniform(0.35, 0.6), 2 * y)]
        return [[*stem, *_arc(0.5, y, rng.uniform(0.6, 1.0), 2 * y, 90, rng.uniform(430, 470))]]
    y = rng.uniform(0.14, 0.32)
    head = [*_arc(0.5, y, 0.84, 2 * y, -20, 340), (0.9, y)]
    straight = rng.random() < 0.6
    return [
        head + ([(rng.uniform(0.6, 0.9), 1.0)] if straight else _arc(0.5, 0.75, 0.8, 0.5, 0, rng.uniform(110, 160)))
    ]


def _zero(rng: Rng) -> list[_Corners]:
    start = rng.uniform(-120, 0)
    loop = _arc(0.5, 0.55, rng.uniform(0.7, 1.1), 0.9, start, start + rng.uniform(340, 400))
    form = rng.choice(["plain", "tail", "curl", "slash"], p=[0.4, 0.3, 0.15, 0.15])
    x, y = loop[-1]
    if form == "tail":  # to the next digit
        return [[*loop, (x + rng.uniform(0.1, 0.4), y + rng.uniform(-0.25, 0.1))]]
    if form == "curl":  # a small loop where it closes
        loop = _arc(0.5, 0.55, rng.uniform(0.7, 1.1), 0.9, -80, rng.uniform(250, 290))
        x, y = loop[-1]
        width, height = rng.uniform(0.15, 0.4), rng.uniform(0.15, 0.3)
        curl = _arc(x + width / 2, y, width, height, 180, rng.uniform(400, 500))
        return [[*loop, *curl, (x + rng.uniform(0.3, 0.7), y + rng.uniform(-0.15, 0.1))]]
    slash = [(rng.uniform(0.0, 0.2), 1.0), (rng.uniform(0.8, 1.0), 0.05)]
    return [loop, slash] if form == "slash" else [loop]


def _two(rng: Rng) -> list[_Corners]:
    y = rng.uniform(0.2, 0.3)
    start = rng.uniform(60, 150) if rng.random() < 0.2 else rng.uniform(180, 250)  # with a loop, or without
    head = _arc(0.5, y, 0.8, 2 * y, start, 400)
    loop = _arc(0.22, 0.88, rng.uniform(0.25, 0.4), rng.uniform(0.14, 0.24), -60, -400)
    foot = loop if rng.random() < 0.7 else [(0.05, 0.95)]
    return [[*head, *foot, (rng.uniform(0.8, 1.1), rng.uniform(0.85, 1.0))]]


_FORMS: dict[int, Callable[[Rng], list[_Corners]]] = {
    0: _zero,
    1: _one,
    2: _two,
    3: _three,
    4: _four,
    5: _five,
    6: _six,
    7: _seven,
    8: _eight,
    9: _nine,
}
_SHARES = (0.18, 0.19, 0.09, 0.02, 0.1, 0.09, 0.06, 0.13, 0.03, 0.11)
