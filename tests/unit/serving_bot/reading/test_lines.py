import numpy as np
import pytest

from serving_bot.reading.geometry import Box
from serving_bot.reading.lines import find_slant, find_tilt, group_into_lines, lay


def row(left: int, top: int, count: int, rise: float = 0.0, gap: int = 50) -> list[Box]:
    return [Box(left + gap * i, round(top + rise * gap * i), 20, 40) for i in range(count)]


def test_lines_from_the_top_each_from_left_to_right() -> None:
    boxes = [*reversed(row(10, 100, 3)), *row(12, 20, 4)]
    assert group_into_lines(boxes) == [[3, 4, 5, 6], [2, 1, 0]]


@pytest.mark.parametrize("rise", [-0.35, 0.2, 0.35])
def test_a_line_is_followed_as_it_rises(rise: float) -> None:
    boxes = row(10, 200, 5, rise, gap=90)
    assert find_tilt(boxes) == pytest.approx(rise, abs=0.04)
    assert group_into_lines(boxes) == [[0, 1, 2, 3, 4]]


def test_a_raised_small_digit_belongs_to_its_line() -> None:
    assert group_into_lines([*row(10, 60, 3), Box(165, 55, 10, 16)]) == [[0, 1, 2, 3]]


def test_slanted_strokes_are_laid_upright() -> None:
    own = np.zeros((80, 200), np.uint8)
    for left in (40, 90, 140):
        for y in range(10, 70):
            x = round(left + 0.4 * (70 - y))
            own[y, x : x + 5] = 1
    assert find_slant(own, 60) == pytest.approx(0.4, abs=0.08)
    boxes = [Box(left, 10, 29, 60) for left in (40, 90, 140)]
    line = lay(own * np.uint8(200), own, boxes, 100.0)
    columns = line.mask.any(axis=0)
    assert np.count_nonzero(np.diff(columns.astype(int)) == 1) >= 2  # three bars with gaps
    assert columns.sum() < 3 * 14
    placed = line.place(Box(0, 0, line.mask.shape[1], line.mask.shape[0]))
    assert placed.left <= 40
    assert placed.right >= 169


@pytest.mark.parametrize("lean", [0.4, -0.4])
def test_a_sheared_line_maps_its_ink_back(lean: float) -> None:
    own = np.zeros((80, 200), np.uint8)
    for left in (40, 90, 140):
        own[10:70, left : left + 6] = 1
    line = lay(own * np.uint8(200), own, [Box(left, 10, 6, 60) for left in (40, 90, 140)], 100.0).leaned(lean)
    top, bottom = (np.flatnonzero(line.mask[row]) for row in (5, line.mask.shape[0] - 6))
    assert len(top) == len(bottom) == pytest.approx(18, abs=3)
    assert bottom[0] - top[0] == pytest.approx(lean * (line.mask.shape[0] - 11), abs=2)
    placed = line.place(Box(int(top[0]), 5, 6, 1))
    assert placed.left == pytest.approx(40, abs=2)
