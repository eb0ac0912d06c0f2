"""`digits bot`."""

from __future__ import annotations

from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import PLACES, PushDir, openable_if_given, read_token, stop

_connection, _answers, _feedback, _watching = (
    partial(typer.Option, rich_help_panel=group) for group in ("Connection", "Answers", "Feedback", "Watching")
)


class Groups(str, Enum):
    """What the bot does in groups."""

    ANSWER = "answer"
    IGNORE = "ignore"


def bot(
    context: typer.Context,
    *,
    push_dir: PushDir = "serving_model",
    token_file: Annotated[
        Path | None,
        _connection(help="File with the token, instead of the variable TELEGRAM_BOT_TOKEN."),
    ] = None,
    token: Annotated[str | None, typer.Option(envvar="TELEGRAM_BOT_TOKEN", hidden=True)] = None,
    webhook_url: Annotated[
        str | None,
        _connection(help="Public https address for Telegram to call; without it the bot polls."),
    ] = None,
    webhook_port: Annotated[int, _connection(help="Local port of the webhook, behind that address.")] = 8080,
    mini_app: Annotated[
        bool,
        typer.Option(
            help="With --webhook-url, serve the page of `digits serve` below it as a Mini App.",
            rich_help_panel="Mini App",
        ),
    ] = True,
    metrics_port: Annotated[int | None, _watching(help="Serve Prometheus metrics and /healthz on this port.")] = None,
    listen: Annotated[str, _connection(help="Address for the webhook and the metrics.")] = "127.0.0.1",
    admin_chat: Annotated[int | None, _watching(help="Chat to notify about versions that fail.")] = None,
    allow_chat: Annotated[list[int] | None, _answers(help="Answer only this chat; repeatable.")] = None,
    groups: Annotated[
        Groups,
        _answers(help="In groups: answer what is meant for the bot, or ignore everything."),
    ] = Groups.ANSWER,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="DIGITS_STATE_DIR",
            help="Folder that records received pictures until they are answered.",
            show_default="bot_state",
            rich_help_panel=PLACES,
        ),
    ] = None,
    feedback_dir: Annotated[
        str | None,
        _feedback(
            envvar="DIGITS_FEEDBACK_DIR",
            help="Ask whether answers are right, and store corrections in this folder or address (docs/learning.md).",
            callback=openable_if_given,
            show_default="nobody is asked",
        ),
    ] = None,
    feedback_key_file: Annotated[
        Path | None,
        _feedback(help="Keys for contributors' codes, one per line.", show_default="STATE_DIR/feedback-keys"),
    ] = None,
    feedback_per_day: Annotated[int, _feedback(min=1, help="Maximum digits from one person per day.")] = 200,
    pictures_per_minute: Annotated[int, _answers(min=1, help="Maximum pictures per minute and chat.")] = 30,
    threads: Annotated[int, _answers(min=1, help="Number of pictures read at a time.")] = 2,
    api_url: Annotated[
        str, _connection(help="Bot API server: Telegram's or your own.", metavar="URL")
    ] = "https://api.telegram.org",
    log_level: Annotated[str, _watching(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Answer pictures of digits in Telegram with the last pushed model.

    The bot's token comes from the variable TELEGRAM_BOT_TOKEN or from --token-file.
    """
    source = context.get_parameter_source("token")
    if source is not None and source.name == "COMMANDLINE":
        stop("Every user of this machine can see a command line: give the token in TELEGRAM_BOT_TOKEN or --token-file.")
    if token_file is not None:
        token = read_token(token_file)
    if token is None or not token.strip():
        stop("No token. Get one from @BotFather and give it in TELEGRAM_BOT_TOKEN or --token-file.")
    if len(token.split()) > 1:
        stop("The token contains a space or a line break: it must be the single line that @BotFather gave you.")
    if log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        stop(f"--log-level must be DEBUG, INFO, WARNING or ERROR, not {log_level}.")
    from serving_bot.telegram.application import BotSettings
    from serving_bot.telegram.process import run

    run(
        BotSettings(
            token=token.strip(),
            push_dir=push_dir,
            webhook_url=webhook_url,
            webhook_port=webhook_port,
            mini_app=mini_app,
            metrics_port=metrics_port,
            listen=listen,
            admin_chat=admin_chat,
            allowed_chats=frozenset(allow_chat or ()),
            pictures_per_minute=pictures_per_minute,
            threads=threads,
            groups=groups.value,
            state_dir=state_dir,
            feedback_dir=feedback_dir,
            feedback_key_file=feedback_key_file,
            feedback_per_day=feedback_per_day,
            api_url=api_url,
            log_level=log_level.upper(),
        )
    )
