import cv2
import numpy as np
import pytest

from serving_bot.telegram.drawings import DrawingError, paint, parse_strokes


def test_strokes_are_pairs_of_numbers():
    assert parse_strokes("[[1,2,3,4],[5,6]]") == [[(1, 2), (3, 4)], [(5, 6)]]


@pytest.mark.parametrize(
    "text",
    [
        *("", "words", "{}", "[]", "[[]]", "[[1]]", "[[1,2,3]]", "[1,2]", "null", '[["1","2"]]', "[[true,false]]"),
        *("[[1.5,2]]", "[[NaN,1]]", "[[Infinity,1]]", "[[1e400,1]]", "[[10000000000,1]]", "[[-561,1]]"),
        *("[" * 4096, "[[" + "9" * 4000 + ",1]]", "[[1,2],[null,4]]"),
    ],
)
def test_anything_else_is_rejected(text):
    with pytest.raises(DrawingError):
        parse_strokes(text)


def test_a_stroke_has_round_ends_and_a_tap_is_a_dot():
    image = cv2.imdecode(np.frombuffer(paint([[(100, 100), (200, 100)], [(300, 300)]]), np.uint8), 0)

    assert image.shape == (420, 560)
    assert (image[100, 150], image[100, 94], image[92, 92], image[100, 80]) == (0x11, 0x11, 0xFF, 0xFF)
    dot = np.argwhere(image[200:] < 128)
    assert dot.mean(0).tolist() == pytest.approx([100, 300], abs=0.6)
    assert 16 <= dot.max(0)[0] - dot.min(0)[0] <= 20


def test_strokes_beyond_the_sheet_are_cut_at_its_edge():
    image = cv2.imdecode(np.frombuffer(paint([[(-560, 210), (1120, 210)]]), np.uint8), 0)

    assert (image[210] == 0x11).all()
