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


def test_a_ring_and_an_underline_are_removed() -> None:
    plane = contrast(" 5")
    cv2.ellipse(plane, (215, 160), (90, 110), 0, 0, 360, 200, 6)
    assert len(heights(plane)) == 1
    plane = contrast("57")
    cv2.line(plane, (50, 225), (280, 226), 200, 6)
    strokes = find_strokes(plane, 60.0, 120.0, ruled=False)
    assert len(strokes.boxes) == 2
    assert len(strokes.dropped) == 1


def test_digits_joined_by_rules_do_not_frame_their_neighbour() -> None:
    plane = contrast("29 7")
    cv2.line(plane, (60, 205), (620, 205), 200, 8)  # under the 7, which it does not touch
    cv2.line(plane, (60, 102), (620, 102), 200, 8)
    cv2.line(plane, (200, 102), (200, 205), 200, 8)
    cv2.rectangle(plane, (400, 107), (620, 200), 0, -1)
    cv2.putText(plane, "7", (440, 190), cv2.FONT_HERSHEY_SIMPLEX, 2.5, 200, 10)
    strokes = find_strokes(plane, 60.0, 120.0, ruled=False)
    ink = strokes.mask(list(range(len(strokes.boxes))))
    assert ink[102:205, 60:290].any(axis=0).mean() > 0.9
    assert ink[102:205, 440:500].any()
