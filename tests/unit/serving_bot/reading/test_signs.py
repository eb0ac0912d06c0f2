import cv2
import numpy as np
import pytest

from serving_bot.reading.cutting import cut, group
from serving_bot.reading.signs import name_sign

STROKES: dict[str, list[tuple[tuple[int, int], tuple[int, int]]]] = {
    "+": [((20, 50), (60, 50)), ((40, 30), (40, 70))],
    "×": [((22, 32), (58, 68)), ((58, 32), (22, 68))],
    "−": [((20, 50), (60, 50))],
    "=": [((20, 42), (60, 42)), ((20, 58), (60, 58))],
    "÷": [((20, 50), (60, 50)), ((40, 32), (41, 32)), ((40, 68), (41, 68))],
    ":": [((40, 38), (41, 38)), ((40, 66), (41, 66))],
    ".": [((40, 80), (41, 80))],
    "/": [((20, 85), (62, 12))],
    "4": [((30, 15), (20, 55)), ((20, 55), (60, 55)), ((50, 30), (50, 85))],
    "1": [((40, 12), (40, 85))],
    "7": [((20, 15), (60, 15)), ((60, 15), (35, 85))],
}


@pytest.mark.parametrize("sign", STROKES)
def test_signs_are_recognised_by_shape_and_digits_are_not_signs(sign: str) -> None:
    mask = np.zeros((100, 80), np.uint8)
    for one, other in STROKES[sign]:
        cv2.line(mask, one, other, 1, 7)
    pieces = cut(mask, 75.0, 7.0)
    names = {
        name_sign(pieces, one, 75.0, 7.0, 85.0)
        for one in group(pieces, 75.0)
        if one.first == 0 and one.last == len(pieces) - 1
    }
    assert names == ({None} if sign.isdigit() else {sign})


@pytest.mark.parametrize(("start", "sign"), [(120, "("), (-60, ")")])
def test_brackets(start: int, sign: str) -> None:
    mask = np.zeros((100, 80), np.uint8)
    cv2.ellipse(mask, (40, 50), (22, 42), 0, start, start + 120, 1, 7)
    pieces = cut(mask, 75.0, 7.0)
    assert name_sign(pieces, group(pieces, 75.0)[0], 75.0, 7.0, 85.0) == sign


def test_joined_flat_zeros_are_not_a_bar() -> None:
    mask = np.zeros((100, 120), np.uint8)
    for x in (20, 42, 64):
        cv2.ellipse(mask, (x, 75), (11, 9), 0, 0, 360, 1, 3)
    pieces = cut(mask, 75.0, 3.0)
    whole = [one for one in group(pieces, 75.0) if (one.first, one.last) == (0, len(pieces) - 1)]
    assert [name_sign(pieces, one, 75.0, 3.0, 85.0) for one in whole] == [None]
