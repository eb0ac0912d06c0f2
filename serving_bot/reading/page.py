"""Finds the lines of a picture, and everything in them that may be a digit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from models.normalising import variants
from serving_bot.reading.cutting import Group, Piece, cut, group, lift
from serving_bot.reading.geometry import Box
from serving_bot.reading.ink import Mask, Pixels, find_levels, measure_contrast
from serving_bot.reading.lines import Line, group_into_lines, lay
from serving_bot.reading.shapes import is_filled
from serving_bot.reading.signs import name_sign
from serving_bot.reading.strokes import Strokes, find_strokes

SMALL_SIDE = 160
"""A picture with a shorter side below this is enlarged first, so edges are found with subpixel accuracy."""

SMOOTHING = 0.6
"""Standard deviation, in pixels, of the Gaussian that removes grain and fine patterns before that."""

LEAST_SMOOTHED = 32
"""A smaller picture is not smoothed: its strokes are as fine as grain."""

LEAST_LINE = 0.2
"""Lines whose tallest stroke is below this share of the page's tallest are specks."""

THICKEST_STROKE = 0.33
"""Strokes wider than this, in heights of the line, are shadows or objects, not writing."""

MOST_GROUPS = 2500
"""More groups than this are a texture, which is not read."""


class TooManyMarksError(Exception):
    """The page has too many marks to read: a long table, or a texture."""


@dataclass(frozen=True)
class Lattice:
    """A line, and everything in it that may be a digit.

    Attributes:
        line: the straightened line.
        pieces: pieces of its ink.
        groups: runs of pieces.
        images: uint8 [groups, 2, 28, 28], the network's inputs.
        signs: the sign that each group may be by its shape.
        strong: contrast above which a pixel is certainly ink.
    """

    line: Line
    pieces: list[Piece]
    groups: list[Group]
    images: npt.NDArray[np.uint8]
    signs: list[str | None]
    strong: float

    def leaned(self, lean: float) -> Lattice:
        """The same line sheared by `lean` widths per height, and cut anew."""
        return _lattice(self.line.leaned(lean), self.strong)


@dataclass(frozen=True)
class Page:
    """The lines found in a picture.

    Attributes:
        lattices: its lines from top to bottom.
        dropped: boxes of frames, rings and rules, in pixels of the picture.
        zoom: factor by which the picture was enlarged.
        height: of the digits in pixels of the picture; 0.0 without ink.
        size: height and width of the picture in pixels.
        upside_down: whether lines are read from the right end.
    """

    lattices: list[Lattice]
    dropped: list[Box]
    zoom: int
    height: float
    size: tuple[int, int]
    upside_down: bool = False

    def turned(self) -> Page:
        """The page turned by 180 degrees; boxes stay in pixels of the unturned picture."""
        lattices = [
            replace(lattice, images=np.ascontiguousarray(lattice.images[..., ::-1, ::-1]))
            for lattice in reversed(self.lattices)
        ]
        return replace(self, lattices=lattices, upside_down=not self.upside_down)

    def place(self, lattice: Lattice, box: Box) -> Box:
        """The position in the picture of a box of a line, clipped to the picture."""
        placed = lattice.line.place(box)
        height, width = self.size
        left = min(max(placed.left, 0) // self.zoom, width - 1)
        top = min(max(placed.top, 0) // self.zoom, height - 1)
        right = min(-(-placed.right // self.zoom), width)
        bottom = min(-(-placed.bottom // self.zoom), height)
        return Box(left, top, max(right - left, 1), max(bottom - top, 1))


def find(pixels: Pixels, *, dark: bool | None = None, within: Mask | None = None) -> Page:
    """Finds the lines of a picture and possible digits in them.

    Args:
        pixels: uint8 [height, width, 3], RGB.
        dark: whether ink is darker than its background; None to detect it.
        within: uint8 [height, width], 1 where to look for writing; None for everywhere.

    Raises:
        TooManyMarksError: there are too many marks.
    """
    size = (pixels.shape[0], pixels.shape[1])
    zoom = -(-SMALL_SIDE // min(pixels.shape[:2])) if min(pixels.shape[:2]) < SMALL_SIDE else 1
    if zoom > 1:
        smooth = cv2.GaussianBlur(pixels, (0, 0), SMOOTHING) if min(size) >= LEAST_SMOOTHED else pixels
        pixels = np.asarray(cv2.resize(smooth, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC), np.uint8)
    contrast = measure_contrast(pixels, zoom, dark)
    if within is not None:
        contrast = contrast * (within if zoom == 1 else cv2.resize(within, contrast.shape[::-1]))
    levels = find_levels(contrast)
    if levels is None:
        return Page([], [], zoom, 0.0, size)
    faint, strong = levels
    strokes = _without_shapes(find_strokes(contrast, faint, strong, ruled=zoom == 1), pixels)
    if not strokes.boxes:
        return Page([], strokes.dropped, zoom, 0.0, size)
    tallest = max(box.side for box in strokes.boxes)
    lattices = []
    count = 0
    for members in group_into_lines(strokes.boxes):
        boxes = [strokes.boxes[index] for index in members]
        if max(box.side for box in boxes) < LEAST_LINE * tallest:
            continue
        lattice = _lattice(lay(contrast, strokes.mask(members), boxes, faint), strong)
        count += len(lattice.groups)
        if count > MOST_GROUPS:
            raise TooManyMarksError
        if lattice.groups:
            lattices.append(lattice)
    heights = [
        piece.box.height / float(np.hypot(*lattice.line.matrix[:, 1]))
        for lattice in lattices
        for piece in lattice.pieces
    ]
    large = [height for height in heights if height >= 0.5 * max(heights)]
    return Page(lattices, strokes.dropped, zoom, float(np.median(large)) / zoom if large else 0.0, size)


def _without_shapes(strokes: Strokes, pixels: Pixels) -> Strokes:
    """The strokes without the outlines of filled shapes."""
    shapes = [
        is_filled(pixels, strokes.labels, name, box) for name, box in zip(strokes.names, strokes.boxes, strict=True)
    ]
    return replace(
        strokes,
        names=[name for name, shape in zip(strokes.names, shapes, strict=True) if not shape],
        boxes=[box for box, shape in zip(strokes.boxes, shapes, strict=True) if not shape],
        dropped=strokes.dropped + [box for box, shape in zip(strokes.boxes, shapes, strict=True) if shape],
    )


def _lattice(line: Line, strong: float) -> Lattice:
    pieces = cut(line.mask, line.height, line.stroke)
    groups = group(pieces, line.height) if line.stroke < THICKEST_STROKE * line.height else []
    images = [variants(lift(line.contrast, pieces, one, strong)) for one in groups]
    tall = [piece.box.bottom for piece in pieces if piece.box.height > 0.6 * line.height]
    bottom = float(np.median(tall)) if tall else float(line.mask.shape[0])
    signs = [name_sign(pieces, one, line.height, line.stroke, bottom) for one in groups]
    stacked = np.stack(images) if images else np.zeros((0, 2, 28, 28), np.uint8)
    return Lattice(line, pieces, groups, stacked, signs, strong)
