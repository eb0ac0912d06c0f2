"""The bot's texts: one gettext catalogue per language, ``locales/<language>/LC_MESSAGES/bot.po``.

Each text has a key, in English too. After editing a catalogue, compile it with ``pybabel compile -d
serving_bot/telegram/locales -D bot``; a test fails if you forget.
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
        """The text ``key`` with its ``{placeholders}`` filled in; ``count``, if given, selects the plural.

        Raises:
            KeyError: the text does not exist, or an argument is missing.
        """
        if "count" in arguments:
            text = self._translations.ngettext(key, key, arguments["count"])
        else:
            text = self._translations.gettext(key)
        if text == key:
            raise KeyError(f"{key} ({self.language})")
        return text.format(**arguments)

    def number(self, value: float, decimals: int = 1) -> str:
        """Formats a number."""
        return f"{value:.{decimals}f}".replace(".", self("decimal-point"))

    def percentage(self, share: float, decimals: int = 1) -> str:
        """Formats a share between 0 and 1 as a percentage."""
        return self("percentage", number=self.number(100 * share, decimals))

    def time(self, moment: datetime) -> str:
        """Formats a time in UTC."""
        return moment.astimezone(timezone.utc).strftime(self("time-format"))


class Languages:
    """The texts of all languages, selected by the language of the user's Telegram."""

    def __init__(self) -> None:
        self._texts = {language: Texts(language) for language in LANGUAGES}

    def of(self, language_code: str | None) -> Texts:
        """Texts for an IETF language tag such as ``ru`` or ``en-GB``; English for other languages and None."""
        language = (language_code or FALLBACK).lower().partition("-")[0]
        return self._texts.get(language, self._texts[FALLBACK])

    def labels(self, key: str) -> list[str]:
        """The text ``key`` in every language: an old keyboard may be in another language than the user's."""
        return [texts(key) for texts in self._texts.values()]
