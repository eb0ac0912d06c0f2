import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from serving_bot.telegram.texts import LANGUAGES, Languages, Texts

LOCALES = Path(__file__).parents[4] / "serving_bot" / "telegram" / "locales"


def catalogue(language):
    with (LOCALES / language / "LC_MESSAGES" / "bot.po").open("rb") as file:
        return read_po(file, locale=language)


def texts_by_key(language):
    return texts_of(catalogue(language))


def texts_of(messages):
    """Every plural form of every text, by key."""
    found = {}
    for message in messages:
        if message.id:
            key = message.id[0] if message.pluralizable else message.id
            found[key] = tuple(message.string) if message.pluralizable else (message.string,)
    return found


def placeholders(text):
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_key_and_no_text_is_empty(language):
    texts = texts_by_key(language)
    assert set(texts) == set(texts_by_key("en"))
    assert [key for key, forms in texts.items() if not all(forms)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_same_placeholders(language):
    english = {key: set().union(*map(placeholders, forms)) for key, forms in texts_by_key("en").items()}
    for key, forms in texts_by_key(language).items():
        assert [placeholders(form) for form in forms] == [english[key]] * len(forms), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_current(language):
    with (LOCALES / language / "LC_MESSAGES" / "bot.mo").open("rb") as file:
        compiled = texts_of(read_mo(file))
    assert compiled == texts_by_key(language), "run: pybabel compile -d serving_bot/telegram/locales -D bot"


def test_every_key_the_handlers_use_exists():
    source = "".join(path.read_text() for path in LOCALES.parent.glob("*.py"))
    used = set(re.findall(r'texts\(\s*"([a-z-]+)"', source)) | set(re.findall(r'"([a-z]+-word)"', source))
    assert len(used) > 25  # the pattern matches them
    assert used - set(texts_by_key("en")) == set()


def test_an_english_eight_takes_an():
    texts = Texts("en")
    assert [texts(f"digit-{digit}") for digit in (4, 8)] == ["a 4", "an 8"]


@pytest.mark.parametrize(
    ("count", "noun"), [(1, "цифру"), (2, "цифры"), (4, "цифры"), (5, "цифр"), (11, "цифр"), (21, "цифру")]
)
def test_russian_plurals(count, noun):
    text = Texts("ru")("digits-found", count=count, digits="12", confidence="99 %")
    assert text.startswith(f"Я вижу {count} {noun}: 12")


def test_numbers_and_times_follow_the_languages_format():
    noon = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)
    assert (Texts("en").percentage(0.9873), Texts("en").time(noon)) == ("98.7%", "2026-11-22 12:00 UTC")
    assert (Texts("ru").percentage(0.9873), Texts("ru").time(noon)) == (
        "98,7\N{NO-BREAK SPACE}%",
        "22.11.2026 12:00 UTC",
    )


def test_language_of_a_user():
    languages = Languages()
    tags = ["ru", "ru-RU", "RU", "en-GB", "de", "", None]
    assert [languages.of(tag).language for tag in tags] == ["ru", "ru", "ru", "en", "en", "en", "en"]


def test_a_missing_text_or_argument_is_an_error():
    with pytest.raises(KeyError, match="no-such-text"):
        Texts("en")("no-such-text")
    with pytest.raises(KeyError, match="name"):
        Texts("en")("start")
