"""Draws docs/conversation.png: a conversation with the real bot, over a loopback Bot API, rendered by Chromium.

python benchmarks/conversation.py serving_model/1763800000
"""

from __future__ import annotations

import base64
import html
import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import typer
from bot import ROOT, photo, running
from chromium import running_chromium
from PIL import Image
from tiny_model import picture

STYLE = """
body { margin: 0; background: #cfdcea; font: 15px/1.35 'DejaVu Sans', sans-serif; width: 460px; padding: 14px; }
.row { display: flex; margin: 7px 0; } .user { justify-content: flex-end; }
.bubble { max-width: 350px; padding: 7px 11px; border-radius: 13px; background: #fff; white-space: pre-line; }
.user .bubble { background: #e3f7cf; } img { display: block; max-width: 320px; max-height: 210px; border-radius: 8px; }
.quote { border-left: 3px solid #4a90d9; padding-left: 7px; color: #5a6b7b; font-size: 13px; margin-bottom: 3px; }
.button { background: #7d95ab; color: #fff; border-radius: 8px; text-align: center; padding: 5px; margin-top: 6px; }
"""


def main(model: Path, out: Path = ROOT / "docs" / "conversation.png") -> None:
    """Talks to the bot in Russian and draws the conversation."""
    chat, who = 1, {"chat": 1, "name": "Анна", "language": "ru"}
    pictures: dict[int, bytes] = {}
    with running(model, Path(sys.executable)) as (api, _, _):
        api.text("/start", **who)
        api.said(chat, 1)
        eight = photo(8, random.Random(3))
        number = api.photo(eight, **who)
        pictures[number] = eight
        (answer,) = api.wait(lambda: api.answers(chat, number))
        api.press(answer, chat=chat, language="ru")
        (shown,) = api.wait(lambda: api.called("sendPhoto"))
        pictures[shown.result["message_id"]] = next(iter(shown.files.values()))
        api.messages[chat, shown.result["message_id"]]["text"] = shown.parameters["caption"]
        api.wait(lambda: api.called("editMessageReplyMarkup"))
        api.messages[chat, answer.result["message_id"]]["reply_markup"] = json.loads(
            answer.parameters["reply_markup"]
        )  # as before the press
        year = picture("2026")
        number = api.photo(year, **who)
        pictures[number] = year
        api.wait(lambda: api.answers(chat, number))
        noise = cv2.imencode(".jpg", np.full((240, 320), 225, np.uint8))[1].tobytes()
        number = api.photo(noise, **who)
        pictures[number] = noise
        api.wait(lambda: api.answers(chat, number))
        api.text("/model", **who)
        api.said(chat, 5)
        messages = [api.messages[key] for key in sorted(api.messages) if key[0] == chat]
    rows = "".join(_row(message, pictures.get(message["message_id"])) for message in messages)
    with running_chromium() as browser:
        page = browser.new_page()
        page.set_content(f"<meta charset=utf-8><style>{STYLE}</style>{rows}")
        shot = page.locator("body").screenshot()
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(64).save(out, optimize=True)


def _row(message: dict[str, Any], picture_of_it: bytes | None) -> str:
    bot = message["from"]["is_bot"]
    parts = []
    if "reply_to_message" in message:
        quoted = message["reply_to_message"].get("text") or "Фотография"
        parts.append(f"<div class=quote>{html.escape(quoted)}</div>")
    if picture_of_it is not None:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(picture_of_it)).convert("RGB").save(buffer, "PNG")
        parts.append(f"<img src='data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}'>")
    parts.append(html.escape(message.get("text", "")))
    for row in message.get("reply_markup", {}).get("inline_keyboard", []):
        parts += [f"<div class=button>{html.escape(_plain(button['text']))}</div>" for button in row]
    return f"<div class='row {'bot' if bot else 'user'}'><div class=bubble>{''.join(parts)}</div></div>"


def _plain(text: str) -> str:
    """Without emoji, which need a font that may be missing."""
    return "".join(letter for letter in text if ord(letter) < 0x2600).strip()


if __name__ == "__main__":
    typer.run(main)
