import numpy as np

from serving_bot.reading.cutting import cut, group
from serving_bot.reading.path import find_path

HEIGHT, STROKE = 40.0, 4.0


def line(*columns: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((50, 160), np.uint8)
    for left, top, width, height in columns:
        mask[top : top + height, left : left + width] = 1
    return mask


def read(mask: np.ndarray, likely: dict[tuple[int, int], tuple[int, float]]) -> tuple[str, list[float]]:
    """The digits of the path and their shares if only groups of the given pieces are likely."""
    pieces = cut(mask, HEIGHT, STROKE)
    groups = group(pieces, HEIGHT)
    probabilities = np.full((len(groups), 10), 0.1)
    for index, one in enumerate(groups):
        if (one.first, one.last) in likely:
            digit, probability = likely[one.first, one.last]
            probabilities[index] = (1 - probability) / 9
            probabilities[index, digit] = probability
    steps = [
        step
        for step in find_path(pieces, groups, probabilities, HEIGHT, [None] * len(groups))
        if step.group is not None
    ]
    return "".join(str(probabilities[step.group].argmax()) for step in steps), [step.share for step in steps]


def test_recognition_decides_what_belongs_together() -> None:
    two_strokes = line((10, 5, 4, 40), (22, 5, 4, 40), (80, 5, 4, 40))
    apart, _ = read(two_strokes, {(0, 0): (1, 0.9), (1, 1): (1, 0.9), (2, 2): (7, 0.9)})
    joined, _ = read(two_strokes, {(0, 1): (4, 0.99), (2, 2): (7, 0.9)})
    assert apart == "117"
    assert joined == "47"


def test_two_equally_likely_readings_share_the_confidence() -> None:
    mask = line((10, 5, 4, 40), (22, 5, 4, 40), (80, 5, 4, 40))
    _, clear = read(mask, {(0, 1): (4, 0.99), (2, 2): (7, 0.99)})
    _, torn = read(mask, {(0, 1): (4, 0.9), (0, 0): (1, 0.99), (1, 1): (1, 0.99), (2, 2): (7, 0.99)})
    assert min(clear) > 0.8
    assert min(torn) < min(clear)


def test_marks_unlike_any_digit_are_skipped() -> None:
    assert read(line((10, 5, 4, 40), (60, 30, 6, 6), (80, 5, 4, 40)), {(0, 0): (1, 0.9), (2, 2): (7, 0.9)})[0] == "17"
