import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.synthesis import pages
from serving_bot.reading.annotation import SURE_COLOUR, UNSURE_COLOUR, annotate, enlarge
from serving_bot.reading.reader import Model, Reader

Images = npt.NDArray[np.uint8]


def colours(data: bytes) -> set[tuple[int, ...]]:
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return {tuple(int(value) for value in row) for row in np.unique(pixels.reshape(-1, 3), axis=0)}


def test_shows_the_box_and_what_was_seen(nearest_images: Model, some_test_images: tuple[Images, Images]) -> None:
    reading = Reader(nearest_images).read(pages.canvas(some_test_images[0][0]))
    data = annotate(reading)
    sheet = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    tile = np.asarray(enlarge(reading.digits[0]))
    assert sheet.shape[1] > 960
    assert (SURE_COLOUR if reading.sure else UNSURE_COLOUR) in colours(data)
    np.testing.assert_array_equal(sheet[8 : 8 + len(tile), 968 : 968 + len(tile), 0], tile)


def test_doubtful_digits_are_orange(nearest_images: Model, some_test_images: tuple[Images, Images]) -> None:
    reading = Reader(nearest_images).read(pages.canvas(some_test_images[0][0]))
    doubtful = replace(reading, lines=(tuple(replace(digit, sure=False) for digit in reading.digits),))
    shown = colours(annotate(doubtful))
    assert UNSURE_COLOUR in shown
    assert SURE_COLOUR not in shown


def test_an_empty_answer_is_still_a_picture(nearest_images: Model) -> None:
    reading = Reader(nearest_images).read(pages.canvas(np.zeros((28, 28), np.uint8)))
    assert Image.open(io.BytesIO(annotate(reading))).format == "PNG"
