import cv2
import numpy as np

from serving_bot.reading.strokes import find_strokes


def contrast(text: str, level: int = 200) -> np.ndarray:
    plane = np.zeros((300, 640), np.uint8)
    for place, character in enumerate(text):
        cv2.putText(plane, character, (60 + 120 * place, 200), cv2.FONT_HERSHEY_SIMPLEX, 4, level, 10)
    return plane


def heights(plane: np.ndarray) -> list[int]:
    return sorted(box.height for box in find_strokes(plane, 60.0, 120.0, ruled=False).boxes)


def test_fainter_ink_is_found_beside_the_strong() -> None:
    plane = contrast("41 4")
    cv2.putText(plane, "7", (300, 200), cv2.FONT_HERSHEY_SIMPLEX, 4, 45, 10)
    assert len(heights(plane)) == 4


def test_a_ring_and_an_underline_are_no_writing() -> None:
    plane = contrast(" 5")
    cv2.ellipse(plane, (215, 160), (90, 110), 0, 0, 360, 200, 6)
    assert len(heights(plane)) == 1
    plane = contrast("57")
    cv2.line(plane, (50, 225), (280, 226), 200, 6)
    strokes = find_strokes(plane, 60.0, 120.0, ruled=False)
    assert len(strokes.boxes) == 2
    assert len(strokes.dropped) == 1
