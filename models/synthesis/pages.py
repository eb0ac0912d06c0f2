"""Makes pictures like those people send: photos of digits written on paper or a board, and pictures without a digit.

All randomness comes from the generator passed in, so a seed always gives the same picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from models.synthesis.outliers import LETTERS

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]

INSTRUMENTS = ("pen", "pencil", "marker", "chalk")
GROUNDS = ("plain", "ruled", "squared")
NON_DIGITS = ("letter", "word", "blank", "noise", "scribble", "natural")

Rng = np.random.Generator


def photo(
    glyphs: Sequence[Pixels],
    rng: Rng,
    *,
    size: tuple[int, int] = (600, 800),
    instrument: str | None = None,
    ground: str | None = None,
) -> bytes:
    """A photo of glyphs written side by side, as JPEG bytes.

    Args:
        glyphs: uint8 [28, 28] each (or any square), bright ink on black, as in MNIST.
        rng: chooses everything that is not given.
        size: height and width in pixels.
        instrument: one of `INSTRUMENTS`.
        ground: one of `GROUNDS`; chalk is always on a plain board.
    """
    instrument = instrument or str(rng.choice(INSTRUMENTS))
    ground = "plain" if instrument == "chalk" else ground or str(rng.choice(GROUNDS))
    ink = _write(glyphs, rng, size, instrument)
    return to_jpeg(photograph(ink, rng, instrument, ground), rng)


def canvas(glyph: Pixels, side: int = 280) -> bytes:
    """One glyph drawn on a white square canvas, as PNG bytes."""
    ink = cv2.resize(glyph, (side, side), interpolation=cv2.INTER_CUBIC)
    _, data = cv2.imencode(".png", 255 - ink)
    return bytes(data)


def joined(glyphs: Sequence[Pixels], overlap: int) -> bytes:
    """28×28 glyphs side by side on light paper as PNG; neighbours overlap by `overlap` columns (negative: a gap)."""
    tight = [glyph[:, np.flatnonzero(glyph.max(axis=0) > 60)] for glyph in glyphs]
    line = np.zeros((28, sum(glyph.shape[1] + max(-overlap, 0) for glyph in tight)), np.uint8)
    end = 0
    for glyph in tight:
        left = max(end - overlap, 0) if end else 0
        line[:, left : left + glyph.shape[1]] = np.maximum(line[:, left : left + glyph.shape[1]], glyph)
        end = left + glyph.shape[1]
    ink = cv2.resize(np.pad(line[:, :end], 28), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    _, data = cv2.imencode(".png", 235 - (ink * 0.8).astype(np.uint8))
    return bytes(data)


def non_digit(kind: str, rng: Rng, *, size: tuple[int, int] = (600, 800)) -> bytes:
    """A picture without a digit, as JPEG bytes.

    Args:
        kind: one of `NON_DIGITS`: a letter of `outliers.LETTERS` or four of them, written like `photo`'s digits; an
            empty sheet or board; noise; a scribble; a synthetic landscape of soft shapes, edges and texture.
        rng: makes every choice.
        size: height and width in pixels.
    """
    instrument = str(rng.choice(INSTRUMENTS))
    ground = "plain" if instrument == "chalk" else str(rng.choice(GROUNDS))
    if kind == "letter":
        return photo([letter(rng)], rng, size=size, instrument=instrument, ground=ground)
    if kind == "word":
        return photo([letter(rng) for _ in range(4)], rng, size=size, instrument=instrument, ground=ground)
    if kind == "blank":
        return to_jpeg(photograph(np.zeros(size, np.float32), rng, instrument, ground), rng)
    if kind == "noise":
        return to_jpeg(_noise(rng, size), rng)
    if kind == "scribble":
        return photo([_scribble(rng)], rng, size=size, instrument=instrument, ground=ground)
    if kind == "natural":
        return to_jpeg(_landscape(rng, size), rng)
    raise ValueError(f"unknown kind {kind!r}; choose one of {NON_DIGITS}")


def letter(rng: Rng) -> Pixels:
    """One of `outliers.LETTERS` in Pillow's own font, slanted and bent a little: uint8 [112, 112], bright on black."""
    text = LETTERS[int(rng.integers(len(LETTERS)))]
    image = Image.new("L", (112, 112))
    ImageDraw.Draw(image).text((56, 56), text, 255, font=ImageFont.load_default(72), anchor="mm")
    bent = _bend(np.asarray(image), rng, 4.0)
    slant = float(rng.uniform(-0.2, 0.3))
    matrix = np.array([[1, -slant, slant * 56], [0, 1, 0]], np.float32)
    return np.asarray(cv2.warpAffine(bent, matrix, (112, 112)), np.uint8)


def photograph(ink: Plane, rng: Rng, instrument: str, ground: str) -> Pixels:
    """Lays ink (float32 [height, width] in 0..1) on a sheet or board and photographs it: uint8 [height,
    width, 3], RGB."""
    height, width = ink.shape
    if instrument == "chalk":
        sheet_colour = rng.uniform(20, 70, 3)
        ink_colour = rng.uniform(190, 245) * np.ones(3)
    else:
        sheet_colour = rng.uniform(190, 250) * rng.uniform((0.97, 0.95, 0.85), (1, 1, 1))
        ink_colour = {
            "pen": np.array([[20, 25, 60], [30, 40, 140], [25, 25, 25], [150, 30, 40]])[rng.integers(4)],
            "pencil": np.full(3, rng.uniform(70, 120)),
            "marker": np.array([[15, 15, 15], [20, 30, 110], [140, 20, 25], [20, 80, 40]])[rng.integers(4)],
        }[instrument].astype(np.float64)
    sheet = np.asarray(np.broadcast_to(sheet_colour, (height, width, 3)), np.float32)
    rules = _rules(rng, height, width, ground)[..., np.newaxis]
    rule_colour = np.asarray(sheet_colour * rng.uniform((0.6, 0.65, 0.75), (0.75, 0.8, 0.9)), np.float32)
    sheet = np.asarray(sheet * (1 - rules) + rule_colour * rules, np.float32)
    share = ink[..., np.newaxis]
    if instrument in ("pencil", "chalk"):  # the paper's grain stays uncovered
        share = share * np.clip(_grain(rng, height, width, 1.2) * 0.35 + 0.85, 0.2, 1)[..., np.newaxis]
    scene = _perspective(np.asarray(sheet * (1 - share) + ink_colour * share, np.float32), rng)
    scene *= _light(rng, height, width)[..., np.newaxis]
    scene += _grain(rng, height, width, 1.5)[..., np.newaxis] * float(rng.uniform(0.5, 3))
    scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(0.4, 0.0014 * width))), np.float32)
    scene += rng.standard_normal((height, width, 1), np.float32) * float(rng.uniform(1, 5))
    return np.asarray(np.clip(scene, 0, 255), np.uint8)


def to_jpeg(pixels: Pixels, rng: Rng) -> bytes:
    """JPEG bytes of uint8 [height, width, 3] RGB at a quality between 50 and 95."""
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 96))])
    return bytes(data)


def _write(glyphs: Sequence[Pixels], rng: Rng, size: tuple[int, int], instrument: str) -> Plane:
    height, width = size
    ink = np.zeros(size, np.float32)
    fits = min(height * 0.9, width * 0.9 / len(glyphs))
    side = int(rng.uniform(0.45, 0.95) * fits)
    pitch = side * 0.95
    left = rng.uniform(0.04 * width, 0.96 * width - pitch * (len(glyphs) - 1) - side)
    top = rng.uniform(0.04 * height, 0.96 * height - side)
    for index, glyph in enumerate(glyphs):
        large = cv2.resize(glyph, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
        large = cv2.GaussianBlur(large, (0, 0), side / 90)
        # The threshold applied to the enlarged glyph makes the stroke thinner or thicker.
        cut = {"pen": 0.55, "pencil": 0.55, "marker": 0.4, "chalk": 0.5}[instrument] + float(rng.uniform(-0.1, 0.1))
        large = np.clip((large - cut) * side / 12 + 0.5, 0, 1)
        x, y = int(left + index * pitch), int(top + rng.uniform(-0.03, 0.03) * side)
        y = min(max(y, 0), height - side)
        ink[y : y + side, x : x + side] = np.maximum(ink[y : y + side, x : x + side], large)
    return ink


def _rules(rng: Rng, height: int, width: int, ground: str) -> Plane:
    rules = np.zeros((height, width), np.float32)
    if ground == "plain":
        return rules
    step = int(rng.uniform(0.05, 0.12) * height)
    thickness = max(1, round(height / 600))
    for y in range(int(rng.integers(step)), height, step):
        cv2.line(rules, (0, y), (width, y), 1.0, thickness)
    if ground == "squared":
        for x in range(int(rng.integers(step)), width, step):
            cv2.line(rules, (x, 0), (x, height), 1.0, thickness)
    return rules


def _light(rng: Rng, height: int, width: int) -> Plane:
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = ((x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)) * rng.uniform(0, 0.5)
    light = 0.9 + slope - rng.uniform(0, 0.4) * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    if rng.random() < 0.5:  # the shadow of a hand or a phone
        angle = rng.uniform(0, 2 * np.pi)
        edge = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) - rng.uniform(-0.3, 0.3)
        depth, softness = rng.uniform(0.1, 0.45), rng.uniform(0.01, 0.08)
        light = light * (1 - depth / (1 + np.exp(np.minimum(-edge / softness, 80))))
    return np.asarray(light, np.float32)


def _perspective(scene: Plane, rng: Rng) -> Plane:
    height, width = scene.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    angle = np.deg2rad(rng.uniform(-8, 8))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([width / 2, height / 2])
    moved = (corners - centre) @ turn.T + centre + rng.uniform(-0.03, 0.03, (4, 2)) * min(height, width)
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return np.asarray(cv2.warpPerspective(scene, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.float32)


def _grain(rng: Rng, height: int, width: int, sigma: float) -> Plane:
    noise = cv2.GaussianBlur(rng.standard_normal((height, width), np.float32), (0, 0), sigma)
    return np.asarray(noise / noise.std(), np.float32)


def _bend(glyph: Pixels, rng: Rng, amount: float) -> Pixels:
    height, width = glyph.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    shifts = [_grain(rng, height, width, width / 6) * amount for _ in range(2)]
    return np.asarray(cv2.remap(glyph, x + shifts[0], y + shifts[1], cv2.INTER_LINEAR), np.uint8)


def _scribble(rng: Rng) -> Pixels:
    points = rng.uniform(14, 98, (int(rng.integers(9, 16)), 2))
    times = np.linspace(0, len(points) - 1, 400)
    path = np.stack([np.interp(times, np.arange(len(points)), points[:, axis]) for axis in range(2)], axis=1)
    path = cv2.GaussianBlur(path.astype(np.float32), (1, 25), 6)
    image = np.zeros((112, 112), np.uint8)
    cv2.polylines(image, [np.rint(path * 16).astype(np.int32)], False, 255, 5, cv2.LINE_AA, 4)
    return image


def _noise(rng: Rng, size: tuple[int, int]) -> Pixels:
    height, width = size
    coarse = int(rng.integers(1, 24))
    small = rng.integers(0, 256, (-(-height // coarse), -(-width // coarse), 3)).astype(np.uint8)
    method = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(small, (width, height), interpolation=method), np.uint8)


def _landscape(rng: Rng, size: tuple[int, int]) -> Pixels:
    height, width = size
    spectrum = np.fft.rfft2(rng.standard_normal((height, width, 3), np.float32), axes=(0, 1))
    fy, fx = np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width)
    spectrum *= (np.hypot(fy, fx)[..., np.newaxis] + 1 / width) ** -rng.uniform(0.9, 1.6)
    texture = np.fft.irfft2(spectrum, size, axes=(0, 1))
    scene = 128 + texture / texture.std() * rng.uniform(15, 45)
    scene = np.ascontiguousarray(scene, np.float32)
    for _ in range(int(rng.integers(3, 25))):  # foreground objects: discs and facets with their own light
        layer = np.zeros(size, np.uint8)
        centre = rng.uniform((0, 0), (width, height))
        if rng.random() < 0.5:
            axes = rng.uniform(0.02, 0.25, 2) * min(size)
            cv2.ellipse(layer, (tuple(centre), tuple(axes * 2), float(rng.uniform(0, 180))), 1, -1)
        else:
            corners = centre + rng.normal(0, 0.15 * min(size), (int(rng.integers(3, 7)), 2))
            cv2.fillConvexPoly(layer, cv2.convexHull(corners.astype(np.int32)), 1)
        colour = rng.uniform(0, 255, 3).astype(np.float32)
        weight = float(rng.uniform(0.5, 1))
        scene[layer > 0] = scene[layer > 0] * (1 - weight) + colour * weight
    scene = cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(0.5, 4)))
    return np.asarray(np.clip(scene, 0, 255), np.uint8)
