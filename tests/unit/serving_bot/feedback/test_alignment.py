import pytest

from serving_bot.feedback.alignment import align


@pytest.mark.parametrize(
    ("read", "right", "found"),
    [
        ("5", "3", [3]),
        ("2580", "2580", [2, 5, 8, 0]),
        ("2580", "2530", [2, 5, 3, 0]),
        ("258", "2580", [2, 5, 8]),  # a digit was not seen
        ("25180", "2580", [2, 5, None, 8, 0]),  # a mark was taken for a digit
        ("2280", "280", [None, None, 8, 0]),  # it is unknown which of the 2s is superfluous
        ("347915", "3479", [3, 4, 7, 9, None, None]),
    ],
)
def test_each_digit_gets_its_label(read, right, found):
    assert align(read, right) == found


@pytest.mark.parametrize(("read", "right"), [("2580", "1369"), ("25", "741852"), ("12", "")])
def test_numbers_that_differ_too_much_are_refused(read, right):
    assert align(read, right) is None
