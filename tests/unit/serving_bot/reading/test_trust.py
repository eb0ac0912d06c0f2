from dataclasses import replace

import numpy as np
import pytest

from serving_bot.reading.answer import Digit, Sign
from serving_bot.reading.cutting import Group, Piece, cut, group
from serving_bot.reading.geometry import Box
from serving_bot.reading.trust import LineReading, agree, share_of_reading, turn

HEIGHT, STROKE = 40.0, 4.0


def strokes(*lefts: int) -> tuple[list[Piece], list[Group]]:
    mask = np.zeros((50, 160), np.uint8)
    for left in lefts:
        mask[5:45, left : left + 4] = 1
    pieces = cut(mask, HEIGHT, STROKE)
    return pieces, group(pieces, HEIGHT)


def share(
    pieces: list[Piece], groups: list[Group], likely: dict[tuple[int, int], dict[int, float]], digits: list[int]
) -> float:
    probabilities = np.full((len(groups), 10), 0.1)
    for index, one in enumerate(groups):
        if (one.first, one.last) in likely:
            named = likely[one.first, one.last]
            probabilities[index] = (1 - sum(named.values())) / (10 - len(named))
            probabilities[index, list(named)] = list(named.values())
    signs: list[str | None] = [None] * len(groups)
    return float(np.exp(share_of_reading(pieces, groups, probabilities, HEIGHT, signs, np.array(digits))))


def test_shares_of_all_readings_of_a_line_are_at_most_one() -> None:
    pieces, groups = strokes(10, 22, 80)
    likely = {(0, 1): {4: 0.9}, (0, 0): {1: 0.9}, (1, 1): {1: 0.9}, (2, 2): {7: 0.7, 1: 0.25}}
    shares = [share(pieces, groups, likely, digits) for digits in ([1, 1, 7], [4, 7], [1, 1, 1], [4, 1], [7])]
    assert 0.5 < sum(shares) <= 1.0
    assert shares[1] > shares[3]


def test_a_second_name_for_a_digit_lowers_the_share() -> None:
    pieces, groups = strokes(10, 80)
    clear = share(pieces, groups, {(0, 0): {1: 0.99}, (1, 1): {7: 0.99}}, [1, 7])
    either = share(pieces, groups, {(0, 0): {1: 0.99}, (1, 1): {7: 0.5, 1: 0.45}}, [1, 7])
    assert clear > 0.9
    assert either < 0.7


def test_different_cuts_with_the_same_reading_do_not_lower_the_share() -> None:
    pieces, groups = strokes(10, 22, 80)
    same = share(pieces, groups, {(0, 1): {1: 0.9}, (0, 0): {1: 0.9}, (2, 2): {7: 0.99}}, [1, 7])
    other = share(pieces, groups, {(0, 1): {1: 0.9}, (0, 0): {4: 0.9}, (2, 2): {7: 0.99}}, [1, 7])
    assert same > other


def test_rotations_to_both_sides() -> None:
    image = np.zeros((3, 2, 28, 28), np.uint8)
    image[..., 4:24, 12:16] = 255
    left, right = np.split(turn(image), 2)
    assert left.shape == image.shape
    assert (left[..., 4, :14].sum(axis=-1) > left[..., 4, 14:].sum(axis=-1)).all()
    np.testing.assert_allclose(left, right[..., ::-1], atol=8)


def marks(*probabilities: float) -> list[Digit | Sign]:
    box, image = Box(0, 0, 1, 1), np.zeros((28, 28), np.uint8)
    return [Sign(box, "."), *(Digit(box, 7, one, ((7, one),), image, True) for one in probabilities)]


def reading(share: float, again: tuple[float, ...], *probabilities: float) -> LineReading:
    return LineReading(marks(*probabilities), [1.0] * len(probabilities), 0, share, np.array(again))


@pytest.mark.parametrize(
    ("share", "again", "shown"),
    [
        (-0.1, (-0.05, -0.05, -0.05), ".777"),
        (-2.0, (0.0, 0.0, 0.0), ".7?7"),
        (-0.1, (-0.05, -0.05, -3.0), ".77?"),
    ],
)
def test_a_number_below_the_threshold_has_a_doubtful_digit(share: float, again: tuple[float, ...], shown: str) -> None:
    line = reading(share, again, 0.99, 0.8, 0.99)
    assert "".join(mark.shown for mark in line.weighed(line.confidence).marks) == shown


def test_every_improbable_digit_is_then_doubtful() -> None:
    line = reading(-2.0, (0.0, 0.0, 0.0), 0.6, 0.7, 0.99)
    assert "".join(mark.shown for mark in line.weighed(line.confidence).marks) == ".??7"


def test_two_readings_that_agree_beat_one_that_is_more_confident() -> None:
    one, two = reading(-0.4, (0.0, 0.0), 0.9, 0.9), reading(-0.5, (0.0, 0.0), 0.9, 0.9)
    lone = reading(-0.3, (0.0, 0.0, 0.0), 0.9, 0.9, 0.9)
    best, confidence = agree([lone, two, one])
    assert best is one
    assert confidence == pytest.approx((np.exp(-0.4) + np.exp(-0.5)) / 2)
    assert agree([lone])[1] < 0.5


def test_readings_without_a_digit_do_not_agree_on_anything() -> None:
    doubtful, nothing = reading(-2.0, (0.0, 0.0), 0.9, 0.9), reading(0.0, ())
    best, confidence = agree([doubtful, nothing, nothing])
    assert best is doubtful
    assert "?" in "".join(mark.shown for mark in best.weighed(confidence).marks)


def test_a_line_with_an_unread_mark_is_not_confident() -> None:
    assert replace(reading(-0.1, (0.0, 0.0), 0.9, 0.9), unread=1).confidence < 0.1
