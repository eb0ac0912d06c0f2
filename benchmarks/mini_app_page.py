"""Draws docs/mini-app.png: the Mini App in two of Telegram's themes and both languages, in headless Chromium.

python benchmarks/mini_app_page.py

The page is the real bot's; Telegram and its script are the tests' stand-ins.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import typer
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chromium import running_chromium  # noqa: E402 (beside the tests)
from loopback_bot_api import LoopbackBotApi  # noqa: E402
from mini_app_launch import DARK, LIGHT, opened  # noqa: E402
from running_bot import free_port, running  # noqa: E402

STAND_IN = ROOT / "tests" / "browser" / "telegram_web_app.js"
WIDTH, HEIGHT, GAP = 360, 640, 24
VIEWS = (("en-GB", LIGHT, 1), ("ru-RU", DARK, 2))  # language, theme, and which example is drawn


def main(out: Path = ROOT / "docs" / "mini-app.png") -> None:
    """Opens the page as a keyboard button does, draws an example on each, and puts them side by side."""
    port = free_port()
    hook = ["--webhook-url", f"http://127.0.0.1:{port}", "--webhook-port", str(port)]
    sheet = Image.new("RGB", (len(VIEWS) * (WIDTH + GAP) - GAP, HEIGHT), "#808080")
    with (
        tempfile.TemporaryDirectory() as folder,
        LoopbackBotApi() as api,
        running(api, Path(folder), *hook),
        running_chromium() as browser,
    ):
        for place, (locale, theme, example) in enumerate(VIEWS):
            page = browser.new_context(locale=locale, viewport={"width": WIDTH, "height": HEIGHT}).new_page()
            page.route("https://telegram.org/**", lambda route: route.fulfill(path=STAND_IN))
            page.goto(opened(api.menu_button["web_app"]["url"], None, theme))
            page.locator("#post").wait_for()
            page.locator("#examples button").nth(example).click()
            picture = Image.open(io.BytesIO(page.screenshot()))
            sheet.paste(picture, (place * (WIDTH + GAP), 0))
    sheet.quantize(64).save(out, optimize=True)


if __name__ == "__main__":
    typer.run(main)
