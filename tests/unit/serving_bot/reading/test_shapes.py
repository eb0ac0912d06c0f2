import cv2
import numpy as np
import pytest

from serving_bot.reading.page import find

PAPER, INK = (245, 240, 235), (200, 30, 40)


def page(thickness, radius=150):
    pixels = np.full((480, 640, 3), PAPER, np.uint8)
    cv2.circle(pixels, (320, 240), radius, INK, thickness)
    return find(pixels)


@pytest.mark.parametrize("thickness", [12, 30])
def test_a_circle_is_writing(thickness):
    assert len(page(thickness).lattices) == 1


@pytest.mark.parametrize("radius", [40, 110, 150, 200])
def test_a_disc_is_not(radius):
    assert page(cv2.FILLED, radius).lattices == []
