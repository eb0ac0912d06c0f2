import numpy as np
import pytest

from serving_bot.reading.answer import Digit, Reading
from serving_bot.reading.geometry import Box
from serving_bot.telegram.texts import Texts
from serving_bot.telegram.wording import caption, tell


def reading(*digits: tuple[int, float, bool]) -> Reading:
    """A reading with these classes, probabilities and certainties."""
    image = np.zeros((28, 28), np.uint8)
    found = tuple(
        Digit(Box(0, 0, 9, 9), digit, probability, ((digit, probability), (7, 0.02), (1, 0.01)), image, sure)
        for digit, probability, sure in digits
    )
    return Reading((found,) if found else (), picture=None, digits_likely=any(digit.sure for digit in found))


@pytest.mark.parametrize(
    ("digits", "text", "outcome"),
    [
        ([], "I found no digit", "nothing"),
        ([(8, 0.9871, True)], "This is an 8 (98.7% sure).", "read"),
        ([(4, 1.0, True)], "This is a 4 (99.9% sure).", "read"),
        ([(4, 0.41, False)], "I am not sure there is a digit here. My best guess: 4 (41.0%), 7 (2.0%)", "unsure"),
        ([(2, 0.9, True), (0, 0.8, True)], "I see 2 digits: 20 (the least sure of them 80.0%).", "read"),
        ([(2, 0.9, True), (0, 0.4, False)], "I see 2?. I am not sure of what stands at the question marks.", "unsure"),
        ([(2, 0.3, False), (0, 0.4, False)], "I see marks here, but no number.", "nothing"),
    ],
)
def test_the_wording_of_a_reading(digits, text, outcome):
    said, said_outcome = tell(reading(*digits), Texts("en"))
    assert said.startswith(text)
    assert said_outcome == outcome


def test_too_many_digits_are_reported():
    said, outcome = tell(Reading((), picture=None, too_many=True), Texts("en"))
    assert said == "There are more than 200 digits or other marks in this picture. Send a part of it, please."
    assert outcome == "nothing"


def test_lines_are_kept_as_lines():
    line = reading((2, 0.9, True), (0, 0.8, True)).lines[0]
    said, outcome = tell(Reading((line, line), picture=None), Texts("en"))
    assert said == "I see 4 digits: \n20\n20 (the least sure of them 80.0%)."
    assert outcome == "read"


def test_a_caption_fits_any_reading():
    text = caption("Title", reading(*[(3, 0.5, True)] * 200), Texts("ru"))
    assert text.startswith("Title\n1. 3 (50,0")
    assert text.endswith("\n…")
    assert len(text) <= 1024
