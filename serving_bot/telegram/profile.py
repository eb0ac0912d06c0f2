"""What Telegram shows about the bot: the profile's texts, the menu button, and the commands."""

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
    MenuButtonDefault,
    MenuButtonWebApp,
    WebAppInfo,
)
from telegram.error import TelegramError

from serving_bot.telegram.application import BotSettings
from serving_bot.telegram.texts import LANGUAGES, Languages

log = logging.getLogger(__name__)

PRIVATE = ("start", "help", "model")
GROUP = ("model", "help")  # the greeting and its menu are for private chats
FEEDBACK = ("privacy", "forget")  # in private chats, if corrections are stored
ADMIN = ("status",)


async def introduce(bot: Bot, languages: Languages, settings: BotSettings) -> None:
    """Sets all of these in each language. The bot works without them."""
    for what, tell in (
        ("the profile's texts", _set_texts),
        ("the menu button", _set_menu_button),
        ("the menu of commands", _set_commands),
    ):
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
    """Sets the commands, the general ones first, because the bot may be unable to reach the admin chat."""
    private = PRIVATE if settings.feedback_dir is None else (*PRIVATE, *FEEDBACK)
    scopes: list[tuple[BotCommandScope, Sequence[str]]] = [
        (BotCommandScopeAllPrivateChats(), private),
        (BotCommandScopeAllGroupChats(), GROUP if settings.groups == "answer" else ()),
        (BotCommandScopeDefault(), ()),  # an earlier release set its commands here, even for ignored groups
    ]
    if settings.admin_chat is not None:
        scopes.append((BotCommandScopeChat(settings.admin_chat), (*private, *ADMIN)))
    for scope, names in scopes:
        for language in LANGUAGES:
            texts, code = languages.of(language), _code(language, languages)
            if names:
                commands = [BotCommand(name, texts(f"command-{name}")) for name in names]
                await bot.set_my_commands(commands, scope, language_code=code)
            else:
                await bot.delete_my_commands(scope, language_code=code)


async def _set_menu_button(bot: Bot, languages: Languages, settings: BotSettings) -> None:
    """Sets the button beside the input, with one text for all languages; removes it without a Mini App."""
    text = languages.of(None)("menu-button")
    if settings.mini_app_url is not None:
        await bot.set_chat_menu_button(menu_button=MenuButtonWebApp(text, WebAppInfo(settings.mini_app_url)))
        return
    button = await bot.get_chat_menu_button()
    if isinstance(button, MenuButtonWebApp) and button.text == text:  # (not a button that the bot's owner has set)
        await bot.set_chat_menu_button(menu_button=MenuButtonDefault())


def _code(language: str, languages: Languages) -> str | None:
    """The language code for Telegram; None for the language that all others get."""
    return None if languages.of(language) is languages.of(None) else language
