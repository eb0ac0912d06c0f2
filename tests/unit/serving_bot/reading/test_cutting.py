import cv2
import numpy as np
import pytest

from serving_bot.reading.cutting import cut, group

HEIGHT, STROKE = 60.0, 5.0


@pytest.mark.parametrize("digits", [2, 3, 4])
def test_zeros_that_share_their_walls_are_cut_in_them(digits: int) -> None:
    mask = np.zeros((80, 40 * digits + 40), np.uint8)
    for index in range(digits):
        cv2.ellipse(mask, (40 + 40 * index, 40), (20, 28), 0, 0, 360, 1, 5)
    pieces = cut(mask, HEIGHT, STROKE)
    lefts = {20 + 40 * index for index in range(digits)}
    found = {
        left
        for left in lefts
        for one in group(pieces, HEIGHT)
        if abs(one.box.left - left) <= 4 and abs(one.box.right - left - 40) <= 4 and one.torn <= 2.0
    }
    assert found == lefts


def test_the_loops_of_an_eight_are_not_cut() -> None:
    mask = np.zeros((100, 60), np.uint8)
    for y in (30, 66):
        cv2.ellipse(mask, (30, y), (16, 18), 0, 0, 360, 1, 5)
    whole = [one for one in group(cut(mask, 77.0, STROKE), 77.0) if one.box.width > 30]
    assert any(one.torn == 0 for one in whole)
