"""Sends the Mini App's drawings to the chat as photos, which are answered like photos from the user."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from telegram import Bot, User

WIDTH, HEIGHT = 560, 420
"""Size of the page's canvas, in pixels."""

PEN, INK, PAPER = WIDTH // 30, 0x11, 0xFF
"""Stroke width and grey levels, as on the page."""

Stroke = list[tuple[int, int]]


class DrawingError(Exception):
    """The page's data is not a list of strokes."""


class Drawings:
    """Sends drawings into private chats and has them answered.

    Args:
        bot: sends them.
        receive: takes an update as Telegram sends it, in JSON, records it on disk, and has it handled.
    """

    def __init__(self, bot: Bot, receive: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._bot = bot
        self._receive = receive

    async def post(self, user: User, picture: bytes) -> None:
        """Sends an encoded picture to a user's chat, where its answer follows.

        Raises:
            TelegramError: Telegram does not accept it.
        """
        message = await self._bot.send_photo(user.id, picture)
        # As if the user had sent it. Telegram's update numbers start at 1; negative numbers are ours.
        await self._receive({"update_id": -time.time_ns(), "message": message.to_dict() | {"from": user.to_dict()}})


def parse_strokes(text: str) -> list[Stroke]:
    """Strokes from the page's JSON: a list of lists x, y, x, y … in pixels of the canvas.

    Raises:
        DrawingError: it is anything else; a modified client can send any text.
    """
    try:
        strokes = json.loads(text)
    except (ValueError, RecursionError):
        raise DrawingError from None
    if not isinstance(strokes, list) or not strokes or not all(map(_is_stroke, strokes)):
        raise DrawingError
    return [list(zip(stroke[::2], stroke[1::2], strict=True)) for stroke in strokes]


def _is_stroke(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= 2
        and len(value) % 2 == 0
        and all(type(number) is int and -WIDTH <= number <= 2 * WIDTH for number in value)
    )


def paint(strokes: list[Stroke]) -> bytes:
    """The strokes as a PNG, as the page paints them."""
    sheet: npt.NDArray[np.uint8] = np.full((HEIGHT, WIDTH), PAPER, np.uint8)
    for stroke in strokes:
        points = np.array([*stroke, stroke[-1]], np.int32)  # (a line needs two)
        cv2.polylines(sheet, [points], False, INK, PEN, cv2.LINE_AA)
    return bytes(cv2.imencode(".png", sheet)[1])
