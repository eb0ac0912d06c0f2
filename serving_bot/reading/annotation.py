"""A picture of what was read: boxes and answers on the photo, and beside them the 28×28 that the network saw."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from serving_bot.reading.reader import Digit, Reading

SURE_COLOUR = (0, 128, 60)
UNSURE_COLOUR = (200, 90, 0)
PHOTO_SIDE = 640
TILE = 112
"""Side of the enlarged 28×28 in pixels."""

ROW = TILE + 16
COLUMN = 240
"""Width of one digit's tile with its three likeliest classes."""

MAX_ROWS = 8
"""More digits than this open another column."""


def annotate(reading: Reading) -> bytes:
    """Draws a reading as PNG bytes: the photo with a box and an answer at each digit, then a tile per digit.

    A tile shows the 28×28 image that the network saw and its three likeliest classes. A digit that is not sure is
    orange and carries a question mark.
    """
    photo = Image.fromarray(reading.picture.pixels)
    factor = PHOTO_SIDE / max(photo.size)
    method = Image.Resampling.NEAREST if factor > 2 else Image.Resampling.LANCZOS
    photo = photo.resize((max(1, round(photo.width * factor)), max(1, round(photo.height * factor))), method)
    _draw_boxes(photo, reading, factor / reading.picture.scale)
    rows = min(len(reading.digits), MAX_ROWS)
    columns = -(-len(reading.digits) // MAX_ROWS)
    height = max(photo.height, rows * ROW + 8, 60)
    sheet = Image.new("RGB", (photo.width + max(columns, 1) * COLUMN, height), "white")
    sheet.paste(photo, (0, 0))
    draw = ImageDraw.Draw(sheet)
    if not reading.digits:
        draw.text(
            (photo.width + 12, 16),
            "too many marks" if reading.too_many else "nothing found",
            "black",
            font=ImageFont.load_default(22),
        )
    for index, digit in enumerate(reading.digits):
        column, row = divmod(index, MAX_ROWS)
        _draw_tile(sheet, digit, photo.width + column * COLUMN + 8, row * ROW + 8)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def enlarge(digit: Digit, side: int = TILE) -> Image.Image:
    """The 28×28 that the network saw, enlarged without smoothing to side×side pixels, greyscale."""
    return Image.fromarray(np.asarray(digit.image)).resize((side, side), Image.Resampling.NEAREST)


def _draw_boxes(photo: Image.Image, reading: Reading, factor: float) -> None:
    draw = ImageDraw.Draw(photo)
    font = ImageFont.load_default(26)
    for digit in reading.digits:
        colour = SURE_COLOUR if digit.sure else UNSURE_COLOUR
        left, top, right, bottom = (
            value * factor for value in (digit.box.left, digit.box.top, digit.box.right, digit.box.bottom)
        )
        draw.rectangle((left - 3, top - 3, right + 2, bottom + 2), outline=colour, width=3)
        text = str(digit.digit) if digit.sure else f"{digit.digit}?"
        place = (max(left - 3, 0), top - 6) if top > 36 else (min(right + 6, photo.width - 30), top + 26)
        draw.text(place, text, colour, font=font, anchor="ls", stroke_width=3, stroke_fill="white")


def _draw_tile(sheet: Image.Image, digit: Digit, left: int, top: int) -> None:
    sheet.paste(enlarge(digit).convert("RGB"), (left, top))
    draw = ImageDraw.Draw(sheet)
    colour = SURE_COLOUR if digit.sure else UNSURE_COLOUR
    for place, (name, probability) in enumerate(digit.top):
        font = ImageFont.load_default(24 if place == 0 else 18)
        line = f"{name}  {probability:.1%}" if digit.sure or place else f"{name}?  {probability:.1%}"
        draw.text((left + TILE + 10, top + 8 + 34 * place), line, colour if place == 0 else "grey", font=font)
