"""What Telegram shows of the bot before anybody writes: the profile's texts, and the commands of each kind of chat."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import TelegramError

from serving_bot.telegram.application import BotSettings
from serving_bot.telegram.texts import LANGUAGES, Languages

log = logging.getLogger(__name__)

PRIVATE = ("start", "help", "model")
GROUP = ("model", "help")  # the greeting and its menu are for private chats
ADMIN = (*PRIVATE, "status")


async def introduce(bot: Bot, languages: Languages, settings: BotSettings) -> None:
    """Tells Telegram all of it, in each language. The bot works without."""
    for what, tell in (("the profile's texts", _set_texts), ("the menu of commands", _set_commands)):
        try:
            await tell(bot, languages, settings)
        except TelegramError as error:
            log.warning("could not set %s", what, extra={"reason": str(error)})


async def _set_texts(bot: Bot, languages: Languages, settings: BotSettings) -> None:
    for language in LANGUAGES:
        texts, code = languages.of(language), _code(language, languages)
        await bot.set_my_description(texts("abilities"), language_code=code)
        await bot.set_my_short_description(texts("short-description"), language_code=code)


async def _set_commands(bot: Bot, languages: Languages, settings: BotSettings) -> None:
    """Sets the commands, the ones of everybody first; the admin chat may be one that the bot cannot reach."""
    scopes: list[tuple[BotCommandScope, Sequence[str]]] = [
        (BotCommandScopeAllPrivateChats(), PRIVATE),
        (BotCommandScopeAllGroupChats(), GROUP if settings.groups == "answer" else ()),
        (BotCommandScopeDefault(), ()),  # an earlier release had its commands here, for groups that are ignored, too
    ]
    if settings.admin_chat is not None:
        scopes.append((BotCommandScopeChat(settings.admin_chat), ADMIN))
    for scope, names in scopes:
        for language in LANGUAGES:
            texts, code = languages.of(language), _code(language, languages)
            if names:
                commands = [BotCommand(name, texts(f"command-{name}")) for name in names]
                await bot.set_my_commands(commands, scope, language_code=code)
            else:
                await bot.delete_my_commands(scope, language_code=code)


def _code(language: str, languages: Languages) -> str | None:
    """How Telegram is told a language: by its code, or by none for the one that all others get."""
    return None if languages.of(language) is languages.of(None) else language
