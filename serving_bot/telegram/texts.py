"""What the bot says, by language: one gettext catalogue each, ``locales/<language>/LC_MESSAGES/bot.po``.

The catalogues are keyed: a text is found by its name, in English as in any other language. After editing
one, compile them with ``pybabel compile -d serving_bot/telegram/locales -D bot``; a test fails while that is
forgotten.
"""

from __future__ import annotations

from datetime import datetime, timezone
from gettext import GNUTranslations
from importlib import resources
from typing import Any

LANGUAGES = ("en", "ru")
FALLBACK = "en"


class Texts:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        catalogue = resources.files("serving_bot.telegram").joinpath("locales").joinpath(language)
        with catalogue.joinpath("LC_MESSAGES").joinpath("bot.mo").open("rb") as file:
            self._translations = GNUTranslations(file)

    def __call__(self, key: str, **arguments: Any) -> str:
        """The text ``key`` with its ``{placeholders}`` filled in; ``count``, where given, chooses the plural.

        Raises:
            KeyError: there is no such text, or an argument of it is missing.
        """
        if "count" in arguments:
            text = self._translations.ngettext(key, key, arguments["count"])
        else:
            text = self._translations.gettext(key)
        if text == key:
            raise KeyError(f"{key} ({self.language})")
        return text.format(**arguments)

    def number(self, value: float, decimals: int = 1) -> str:
        """A number as this language writes it."""
        return f"{value:.{decimals}f}".replace(".", self("decimal-point"))

    def percentage(self, share: float, decimals: int = 1) -> str:
        """A share between 0 and 1 as this language writes percentages."""
        return self("percentage", number=self.number(100 * share, decimals))

    def time(self, moment: datetime) -> str:
        """A moment, in UTC, as this language writes times."""
        return moment.astimezone(timezone.utc).strftime(self("time-format"))


class Languages:
    """The texts of all languages, chosen by what a user's Telegram speaks."""

    def __init__(self) -> None:
        self._texts = {language: Texts(language) for language in LANGUAGES}

    def of(self, language_code: str | None) -> Texts:
        """Texts for an IETF language tag such as ``ru`` or ``en-GB``; English for any other, or none."""
        language = (language_code or FALLBACK).lower().partition("-")[0]
        return self._texts.get(language, self._texts[FALLBACK])

    def labels(self, key: str) -> list[str]:
        """The text ``key`` in every language: an old keyboard may be in another one than the user's."""
        return [texts(key) for texts in self._texts.values()]
