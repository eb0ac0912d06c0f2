import cv2
import numpy as np
import pytest

from serving_bot.reading.geometry import Box
from serving_bot.reading.surface import find_surface


def table(colour: int) -> np.ndarray:
    pixels = np.full((480, 640, 3), colour, np.uint8)
    cv2.fillConvexPoly(pixels, np.array([[180, 60], [450, 80], [480, 430], [150, 420]]), (225, 222, 210))
    return pixels


@pytest.mark.parametrize("colour", [40, 110, 160])
def test_a_sheet_on_a_table(colour: int) -> None:
    surface = find_surface(table(colour))
    assert surface is not None
    assert surface.holds(Box(250, 200, 40, 60))
    assert not surface.holds(Box(140, 200, 60, 60))
    assert surface.pixels[10, 10].min() > 180  # the sheet's colour goes on


def test_a_surface_that_fills_the_picture_is_not_a_sheet() -> None:
    assert find_surface(np.full((480, 640, 3), 220, np.uint8)) is None


def test_a_lit_area_beside_a_shadow_is_not_a_sheet() -> None:
    pixels = np.full((480, 640, 3), 220, np.uint8)
    pixels[:, 300:] = 120
    assert find_surface(pixels) is None
