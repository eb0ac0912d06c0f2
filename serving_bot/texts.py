"""What the bot says, by language: one Fluent file per language in ``locales/`` (https://projectfluent.org)."""

from __future__ import annotations

from importlib import resources
from typing import Any

from fluent.runtime import FluentBundle, FluentResource

LANGUAGES = ("en", "ru")
FALLBACK = "en"


class Texts:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        source = (
            resources.files("serving_bot").joinpath("locales").joinpath(f"{language}.ftl").read_text("utf-8")
        )
        # Isolation marks would surround every number with invisible characters.
        self._bundle = FluentBundle([language], use_isolating=False)
        self._bundle.add_resource(FluentResource(source))

    def __call__(self, key: str, **arguments: Any) -> str:
        """The text ``key``, with numbers and dates as this language writes them.

        Raises:
            KeyError: there is no such text, or an argument of it is missing.
        """
        pattern = self._bundle.get_message(key).value
        if pattern is None:
            raise KeyError(key)
        text, errors = self._bundle.format_pattern(pattern, arguments)
        if errors:
            raise KeyError(f"{key} ({self.language}): {errors}")
        return str(text)


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
