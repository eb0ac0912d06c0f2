from dataclasses import dataclass

import pytest

from models.settings import SettingError, setting, settings_of


@dataclass(frozen=True, kw_only=True)
class Declaring:
    plain: int = 3
    count: int = setting(5, minimum=1, label="Count", help="How many.")
    share: float = setting(0.5, by_model={"lenet": 0.25}, minimum=0, maximum=1, label="Share", help="Of 1.")
    switch: bool | None = setting(None, option="a-switch", decided="on GPUs", label="Switch", help="On or off.")


COUNT, SHARE, SWITCH = settings_of(Declaring).values()


def test_a_declaration_is_complete():
    assert list(settings_of(Declaring)) == ["count", "share", "switch"]
    assert [known.kind for known in (COUNT, SHARE, SWITCH)] == [int, float, bool]
    assert (COUNT.variable, SWITCH.variable, SWITCH.option) == ("DIGITS_COUNT", "DIGITS_A_SWITCH", "a-switch")
    assert (SHARE.default_for("lenet"), SHARE.default_for("my_model")) == (0.25, 0.5)
    assert (COUNT.decided, SHARE.decided, SWITCH.decided) == (None, "the network's", "on GPUs")
    assert Declaring() == Declaring(count=5, share=0.5, switch=None)


def test_text_is_parsed_by_type():
    assert (COUNT.parse("7"), SHARE.parse("1"), SWITCH.parse("true")) == (7, 1.0, True)
    assert isinstance(COUNT.parse("7"), int)
    assert isinstance(SHARE.parse("1"), float)


@pytest.mark.parametrize(
    ("known", "text", "sentence"),
    [
        (COUNT, "0", "count must be a number, 1 or more, not 0."),
        (COUNT, "1.5", "count must be a whole number, not 1.5."),
        (COUNT, "many", "count must be a number, 1 or more, not many."),
        (COUNT, "inf", "count must be a number, 1 or more, not inf."),
        (SHARE, "1.1", "share must be a number, from 0 to 1, not 1.1."),
        (SHARE, "nan", "share must be a number, from 0 to 1, not nan."),
        (SWITCH, "1", "switch must be true or false, not 1."),
    ],
)
def test_invalid_text_is_a_one_line_error(known, text, sentence):
    with pytest.raises(SettingError) as raised:
        known.parse(text)

    assert str(raised.value) == sentence
