"""Draws a reading: the chosen path on the photo, and beside it the 28×28 images that the network saw."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from serving_bot.reading.answer import Digit, Reading, Sign
from serving_bot.reading.geometry import Box

SURE_COLOUR = (0, 128, 60)
UNSURE_COLOUR = (200, 90, 0)
SIGN_COLOUR = (120, 60, 160)
LEFT_OUT_COLOUR = (120, 120, 120)
LINE_COLOUR = (60, 110, 200)
PHOTO_SIDE = 960
"""The longer side of the photo, in pixels."""

TILE = 84
"""Side of an enlarged 28×28 image, in pixels."""

ROW = TILE + 12
COLUMN = 200
"""Width of one digit's tile with its three likeliest classes."""

LEGEND = 30
MOST_TILES = 60
"""Maximum number of digits shown with tiles."""


def annotate(reading: Reading) -> bytes:
    """Draws a reading as PNG bytes: the photo with lines, boxes and answers, then a tile per digit.

    A tile shows the 28×28 image that the network saw and its three likeliest classes. An unsure digit is orange with a
    question mark; signs are violet; frames and other ignored marks are grey.
    """
    photo = Image.fromarray(reading.picture.pixels)
    factor = PHOTO_SIDE / max(photo.size)
    method = Image.Resampling.NEAREST if factor > 2 else Image.Resampling.LANCZOS
    photo = photo.resize((max(1, round(photo.width * factor)), max(1, round(photo.height * factor))), method)
    _draw_path(photo, reading, factor / reading.picture.scale)
    tiles = reading.digits[:MOST_TILES]
    if photo.width > 1.5 * photo.height:  # tiles go below a wide photo
        columns = max(1, photo.width // COLUMN)
        place = (0, photo.height)
    else:
        columns = max(1, -(-len(tiles) * ROW // max(photo.height - LEGEND, ROW)))
        place = (photo.width, 0)
    rows = -(-len(tiles) // columns)
    size = (max(photo.width, place[0] + columns * COLUMN + 8), max(photo.height, place[1] + rows * ROW + 8) + LEGEND)
    sheet = Image.new("RGB", size, "white")
    sheet.paste(photo, (0, 0))
    for index, digit in enumerate(tiles):
        row, column = divmod(index, columns)
        _draw_tile(sheet, digit, place[0] + column * COLUMN + 8, place[1] + row * ROW + 8)
    ImageDraw.Draw(sheet).text((8, size[1] - LEGEND + 4), _legend(reading), "black", font=ImageFont.load_default(16))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def enlarge(digit: Digit, side: int = TILE) -> Image.Image:
    """The 28×28 image that the network saw, enlarged to side×side pixels without smoothing, greyscale."""
    return Image.fromarray(np.asarray(digit.image)).resize((side, side), Image.Resampling.NEAREST)


def _legend(reading: Reading) -> str:
    if reading.too_many:
        return "too many marks"
    parts = {"number": "a number", "doubtful": "a number with doubtful places (orange)", "none": "no number here"}
    text = parts[reading.outcome]
    if any(isinstance(mark, Sign) for line in reading.lines for mark in line):
        text += "; violet: signs and specks between digits"
    return text + ("; grey: left out (frames, rules, other marks)" if reading.left_out else "")


def _draw_path(photo: Image.Image, reading: Reading, factor: float) -> None:
    draw = ImageDraw.Draw(photo)
    for box in reading.left_out:
        draw.rectangle(_scaled(box, factor), outline=LEFT_OUT_COLOUR, width=1)
    for line in reading.lines:
        middles = [((mark.box.left + mark.box.right) / 2 * factor, mark.box.bottom * factor + 4) for mark in line]
        if len(middles) > 1:
            draw.line(middles, LINE_COLOUR, 2)
        for mark in line:
            if isinstance(mark, Sign):
                draw.rectangle(_scaled(mark.box, factor), outline=SIGN_COLOUR, width=1)
            else:
                _draw_digit(draw, mark, factor, photo.width)


def _draw_digit(draw: ImageDraw.ImageDraw, digit: Digit, factor: float, width: int) -> None:
    colour = SURE_COLOUR if digit.sure else UNSURE_COLOUR
    left, top, right, bottom = _scaled(digit.box, factor)
    draw.rectangle((left - 3, top - 3, right + 2, bottom + 2), outline=colour, width=2)
    font = ImageFont.load_default(min(30, max(14, (bottom - top) * 0.5)))
    text = str(digit.digit) if digit.sure else f"{digit.digit}?"
    place = (max(left - 3, 0), top - 6) if top > 36 else (min(right + 6, width - 30), top + 26)
    draw.text(place, text, colour, font=font, anchor="ls", stroke_width=3, stroke_fill="white")


def _scaled(box: Box, factor: float) -> tuple[float, float, float, float]:
    return (
        box.left * factor,
        box.top * factor,
        max(box.right, box.left + 1) * factor,
        max(box.bottom, box.top + 1) * factor,
    )


def _draw_tile(sheet: Image.Image, digit: Digit, left: int, top: int) -> None:
    sheet.paste(enlarge(digit).convert("RGB"), (left, top))
    draw = ImageDraw.Draw(sheet)
    colour = SURE_COLOUR if digit.sure else UNSURE_COLOUR
    for place, (name, probability) in enumerate(digit.top):
        font = ImageFont.load_default(20 if place == 0 else 15)
        line = f"{name}  {probability:.1%}" if digit.sure or place else f"{name}?  {probability:.1%}"
        draw.text((left + TILE + 8, top + 4 + 27 * place), line, colour if place == 0 else "grey", font=font)
