"""Identifies the Mini App's user: checks the signature of the init data that Telegram gives to the page.

The check follows core.telegram.org/bots/webapps, "Validating data received via the Mini App": init data can be signed
only with the bot's token.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from urllib.parse import parse_qsl

from telegram import User

MOST_AGE_S = 24 * 3600.0
"""Maximum age of accepted init data, since the page was opened."""


class InitDataError(Exception):
    """The init data is not from Telegram, is too old, or lacks a user."""


def user_of(init_data: str, token: str, now: float) -> User:
    """The user for whom Telegram signed this init data.

    Args:
        init_data: the page's ``Telegram.WebApp.initData``, a query string.
        token: the bot's token.
        now: Unix time.

    Raises:
        InitDataError: it is not signed with this token, is too old, or lacks a user.
    """
    try:
        fields = dict(parse_qsl(init_data, keep_blank_values=True, strict_parsing=True))
    except ValueError:
        raise InitDataError("no query string") from None
    given = fields.pop("hash", "")
    checked = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))
    key = hmac.digest(b"WebAppData", token.encode(), hashlib.sha256)
    if not hmac.compare_digest(hmac.new(key, checked.encode(), hashlib.sha256).hexdigest().encode(), given.encode()):
        raise InitDataError("the signature is not Telegram's")
    try:
        age = now - int(fields["auth_date"])
        user = json.loads(fields["user"])
        found = User(int(user["id"]), str(user.get("first_name", "")), False, language_code=user.get("language_code"))
    except (KeyError, TypeError, ValueError):
        raise InitDataError("no user, or no time") from None
    if age > MOST_AGE_S:
        raise InitDataError("too old")
    return found
