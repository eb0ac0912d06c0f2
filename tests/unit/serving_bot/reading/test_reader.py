from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from models.synthesis import pages
from serving_bot.reading.annotation import annotate
from serving_bot.reading.decoding import UnknownFormatError
from serving_bot.reading.reader import Model, Reader

Images = npt.NDArray[np.uint8]


def test_reads_photos(nearest_images: Model, some_test_images: tuple[Images, Images]) -> None:
    images, labels = some_test_images
    reader = Reader(nearest_images)
    rng = np.random.default_rng(0)
    chosen = range(0, 60, 2)
    right = sum(
        reader.read(pages.photo([images[i]], rng, instrument="marker", ground="plain")).text == str(labels[i])
        for i in chosen
    )
    assert right >= 0.8 * len(chosen)  # nearest neighbours among 1,200 images are not better


def test_reads_a_number_in_order(nearest_images: Model, some_test_images: tuple[Images, Images]) -> None:
    images, labels = some_test_images
    places = [int(np.flatnonzero(labels == digit)[0]) for digit in (1, 0, 7, 1)]
    data = pages.photo([images[i] for i in places], np.random.default_rng(1), instrument="marker", ground="plain")
    reading = Reader(nearest_images).read(data)
    assert len(reading.digits) == 4
    assert reading.text == "1071"
    assert [digit.box.left for digit in reading.digits] == sorted(digit.box.left for digit in reading.digits)


def test_a_digit_has_its_box_and_image(nearest_images: Model, some_test_images: tuple[Images, Images]) -> None:
    reading = Reader(nearest_images).read(pages.canvas(some_test_images[0][0], side=1280))
    (digit,) = reading.digits
    assert reading.picture.pixels.shape == (640, 640, 3)
    assert digit.box.height > 640  # in pixels of the original, not of the reduced picture
    assert digit.image.shape == (28, 28)
    assert digit.top[0] == (digit.digit, digit.probability)
    assert len(digit.top) == 3
    assert digit.top[0][1] >= digit.top[1][1] >= digit.top[2][1]
    assert digit.sure
    assert reading.as_json()["digits"][0]["box"]["height"] == digit.box.height


def test_nothing_found(nearest_images: Model) -> None:
    blank = pages.canvas(np.zeros((28, 28), np.uint8))
    reading = Reader(nearest_images).read(blank)
    assert reading.digits == ()
    assert not reading.sure
    assert reading.describe() == "no number found"
    assert reading.outcome == "none"
    assert reading.as_json()["problem"] is None


def test_too_many_digits_are_reported(nearest_images: Model) -> None:
    pixels = np.full((640, 640), 235, np.uint8)
    for place in range(225):
        cv2.circle(pixels, (26 + 42 * (place % 15), 26 + 42 * (place // 15)), 12, 30, 3)
    reading = Reader(nearest_images).read(cv2.imencode(".png", pixels)[1].tobytes())
    assert reading.digits == ()
    assert not reading.sure
    assert reading.describe() == f"nothing read: {reading.problem}"
    assert reading.problem == "more than 200 digits or other marks were found; send a part of the picture"
    assert reading.as_json()["problem"] == reading.problem
    assert annotate(reading).startswith(b"\x89PNG")


class Fixed:
    """Returns the same probabilities for every image, to test the reader's use of them."""

    def __init__(self, probabilities: list[float], temperature: float) -> None:
        self.card: dict[str, Any] = {"temperature": temperature}
        self._row = np.array(probabilities, np.float32)

    def predict(self, images: Images) -> npt.NDArray[np.float32]:
        return np.tile(self._row, (len(images), 1))


def test_not_sure(some_test_images: tuple[Images, Images]) -> None:
    reading = Reader(Fixed([0.19, *[0.09] * 9], 1.0)).read(pages.canvas(some_test_images[0][0]))
    assert not reading.sure
    assert reading.outcome == "none"
    assert reading.describe() == "no number found"


@pytest.mark.parametrize(
    ("probability", "side", "outcome"), [(0.64, 640, "none"), (0.73, 640, "number"), (0.64, 28, "number")]
)
def test_a_lone_digit_in_a_large_picture_needs_more(
    probability: float, side: int, outcome: str, some_test_images: tuple[Images, Images]
) -> None:
    model = Fixed([probability, *[(1 - probability) / 9] * 9], 1.0)
    assert Reader(model).read(pages.canvas(some_test_images[0][0], side=side)).outcome == outcome


class DoubtsSevens:
    """Knows each digit but the 7."""

    def __init__(self, model: Model) -> None:
        self.card: dict[str, Any] = {}
        self._model = model

    def predict(self, images: Images) -> npt.NDArray[np.float32]:
        rows = self._model.predict(images)
        return np.where(rows.argmax(axis=1, keepdims=True) == 7, 0.5 * rows + 0.05, rows).astype(np.float32)


@pytest.mark.parametrize(("number", "outcome"), [("107102", "doubtful"), ("707701", "none")])
def test_a_row_of_mostly_doubtful_marks_is_not_a_number(
    nearest_images: Model, some_test_images: tuple[Images, Images], number: str, outcome: str
) -> None:
    images, labels = some_test_images
    glyphs = [images[np.flatnonzero(labels == int(digit))[0]] for digit in number]
    data = pages.photo(glyphs, np.random.default_rng(1), instrument="marker", ground="plain")
    reading = Reader(DoubtsSevens(nearest_images)).read(data)
    assert reading.outcome == outcome
    assert len(reading.digits) == len(number)


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, 0.64), (2.0, 0.8 / (0.8 + 0.4 + 8 * 0.025**0.5))])
def test_temperature_calibrates(temperature: float, expected: float, some_test_images: tuple[Images, Images]) -> None:
    model = Fixed([0.64, 0.16, *[0.025] * 8], temperature)
    reading = Reader(model).read(pages.canvas(some_test_images[0][0]))
    assert reading.digits[0].digit == 0
    assert reading.digits[0].probability == pytest.approx(expected, rel=1e-4)


def test_no_picture(nearest_images: Model) -> None:
    with pytest.raises(UnknownFormatError):
        Reader(nearest_images).read(b"not a picture")
