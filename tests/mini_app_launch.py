"""How Telegram opens a Mini App: its address with launch parameters, including signed init data."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

from loopback_bot_api import TOKEN

LIGHT = {
    "bg_color": "#ffffff",
    "text_color": "#000000",
    "hint_color": "#999999",
    "link_color": "#2481cc",
    "button_color": "#2481cc",
    "button_text_color": "#ffffff",
    "secondary_bg_color": "#efeff3",
}
DARK = LIGHT | {
    "bg_color": "#17212b",
    "text_color": "#f5f5f5",
    "hint_color": "#708499",
    "link_color": "#6ab3f3",
    "button_color": "#5288c1",
    "secondary_bg_color": "#232e3c",
}


def init_data(user: int = 1, language: str = "en", age: float = 0, token: str = TOKEN) -> str:
    """The init data that Telegram signs for a user who opens the page."""
    person = {"id": user, "first_name": "Anna", "language_code": language, "allows_write_to_pm": True}
    fields = {
        "auth_date": str(int(time.time() - age)),
        "query_id": "AAHdF6IQAAAAAN0XohDhrOrc",
        "signature": "for_others",
        "user": json.dumps(person, separators=(",", ":")),
    }
    secret = hmac.new(b"WebAppData", token.encode(), hashlib.sha256).digest()
    checked = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
    return urlencode(fields | {"hash": hmac.new(secret, checked.encode(), hashlib.sha256).hexdigest()})


def opened(address: str, data: str | None, theme: dict[str, str] = LIGHT, version: str = "8.0") -> str:
    """The address that Telegram opens; without ``data``, as from a keyboard button."""
    launch: dict[str, Any] = {} if data is None else {"tgWebAppData": data}
    launch |= {"tgWebAppVersion": version, "tgWebAppPlatform": "android", "tgWebAppThemeParams": json.dumps(theme)}
    return f"{address}#{urlencode(launch)}"
