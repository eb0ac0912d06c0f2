import cv2
import numpy as np

from serving_bot.reading.frames import drop_frames, find_boxes, usual_height
from serving_bot.reading.geometry import Box


def test_the_sides_of_cells_go_and_the_digits_stay() -> None:
    mask = np.zeros((300, 640), np.uint8)
    for place in range(5):
        cv2.rectangle(mask, (60 + 100 * place, 80), (160 + 100 * place, 220), 1, 4)
        cv2.putText(mask, "3", (85 + 100 * place, 185), cv2.FONT_HERSHEY_SIMPLEX, 3, 1, 6)
    usual = usual_height(find_boxes(mask))
    kept, dropped = drop_frames(mask.copy(), mask, usual)
    assert dropped[0] == Box(58, 78, 505, 145)
    assert [box.height > 50 for box in find_boxes(kept)] == [True] * 5


def test_a_lone_digit_is_not_a_frame() -> None:
    for text in "014789":
        mask = np.zeros((300, 300), np.uint8)
        cv2.putText(mask, text, (60, 260), cv2.FONT_HERSHEY_SIMPLEX, 9, 1, 20)
        kept, dropped = drop_frames(mask.copy(), mask, usual_height(find_boxes(mask)))
        assert dropped == []
        np.testing.assert_array_equal(kept, mask)
