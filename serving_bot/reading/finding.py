"""Where the digits are: ink against its ground, strokes joined into digits, digits in reading order."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

GROUND_SIDE = 160
"""The longer side, in pixels, of the copy on which the ground (paper, board, canvas) is estimated."""

WIDEST_STROKE = 0.25
"""Strokes narrower than this share of the shorter side are ink; wider things are paper, shadow or table."""

FLATNESS = 0.06
"""The ground is even where nine tenths of it lie within this share of the contrast around its median."""

SMALL_SIDE = 160
"""A picture whose shorter side is below this is enlarged first, so that edges are found to a part of a pixel."""

MIN_CONTRAST = 14.0
"""Least difference between ink and ground in grey levels of 255."""

NOISE_FACTOR = 5.0
"""Ink differs from the ground by at least this many standard deviations of the ground's own grain."""

THICKEST_RULE = 0.018
"""Printed lines are thinner than this share of the shorter side."""

FEWEST_RULES = 3
"""Fewer straight lines than this may be strokes."""

RULE_STEP = 4
"""Pixels along a printed line that are averaged before it is looked for."""

LEAST_COVERED = 0.4
"""A printed line is seen along at least this share of itself, and of its first and last quarter."""

MOST_LINES = 600
"""More straight lines than this are not looked at."""

RULE_TILT = np.deg2rad(12)
"""Printed lines are level or upright to this angle."""

MIN_HEIGHT = 0.3
"""Least longer side of a digit as a share of the longest one in the picture; smaller things are specks."""

MAX_PIECES = 80
"""More separate pieces of ink than this are texture and not writing."""

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, `left` and `top` inside."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column outside."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row outside."""
        return self.top + self.height

    @property
    def side(self) -> int:
        """The longer side."""
        return max(self.width, self.height)

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        return Box(left, top, max(self.right, other.right) - left, max(self.bottom, other.bottom) - top)

    def scaled(self, factor: float) -> Box:
        """The box in a picture whose sides are `factor` times as long."""
        left, top = round(self.left * factor), round(self.top * factor)
        return Box(left, top, round(self.right * factor) - left, round(self.bottom * factor) - top)


@dataclass(frozen=True)
class Found:
    """One thing that may be a digit.

    Attributes:
        box: in pixels of the picture that was searched.
        ink: float32 [box.height, box.width] in 0..1, this digit's ink alone.
    """

    box: Box
    ink: Plane


def find(pixels: Pixels) -> list[Found]:
    """Finds what may be digits in an RGB picture.

    Args:
        pixels: uint8 [height, width, 3].

    Returns:
        One entry per digit in reading order: lines from the top, each from left to right. Empty where there is no ink.
    """
    zoom = -(-SMALL_SIDE // min(pixels.shape[:2])) if min(pixels.shape[:2]) < SMALL_SIDE else 1
    if zoom > 1:
        pixels = cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    contrast = _contrast(pixels, zoom)
    levels = _levels(contrast)
    if levels is None:
        return []
    faint, strong = levels
    mask = _above(contrast, faint)
    if zoom == 1:
        mask = _drop_rules(mask, contrast, faint)
    labels, groups = _strokes(mask, contrast, strong)
    groups = _join(groups)
    return [_cut(contrast, labels, group, strong, zoom) for group in _reading_order(groups)]


def _above(plane: Mask, level: float) -> Mask:
    """1 where a uint8 plane is above a level, 0 elsewhere."""
    return np.asarray(cv2.threshold(plane, level, 1, cv2.THRESH_BINARY)[1], np.uint8)


def _is_dark_on_light(grey: Mask) -> bool:
    """Whether ink is darker than its ground: the ground is the border where that has one brightness (a canvas, a scan);
    otherwise ink is what stands out more sharply, valleys or ridges, from its blurred surroundings."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    light_border = float(np.mean(border > threshold)) > 0.5
    if _quantile(border, 0.9) - _quantile(border, 0.1) < 12:
        return light_border
    around = cv2.stackBlur(grey, (max(grey.shape) // 4 | 1,) * 2)
    dark, light = (
        cv2.norm(cv2.subtract(cv2.subtract(one, other), 4.0), cv2.NORM_L2SQR)
        for one, other in ((around, grey), (grey, around))
    )
    # (strokes that fill the picture are too wide for this: they stand out both ways)
    return dark > light if max(dark, light) > 1.7 * min(dark, light) else light_border


def _flat_ground(small: Pixels, dark: bool, zoom: int) -> npt.NDArray[np.uint8] | None:
    """The ground's one colour, uint8 [3], where it is even (a canvas, a scan); None under uneven light."""
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    of_ground = grey > threshold if dark else grey <= threshold
    if not of_ground.any() or of_ground.all():
        return None
    half = max(3, min(grey.shape) // 2)
    if cv2.erode((~of_ground).astype(np.uint8), np.ones((half, half), np.uint8)).any():
        return None  # so large a thing is no stroke but a shadow or the table
    # The soft edges of strokes say nothing about the ground.
    side = 4 * zoom + 1
    near_ink = cv2.dilate((~of_ground).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    centre = _quantile(grey[of_ground], 0.5)
    clear = cv2.absdiff(grey, centre)[~near_ink]
    spread = _quantile(clear, 0.95) if clear.size else 0.0
    if spread > FLATNESS * abs(centre - _quantile(grey[~of_ground], 0.5)):
        return None
    return np.array([_quantile(channel, 0.5) for channel in small[of_ground].T], np.uint8)


def _quantile(values: Pixels, share: float) -> float:
    """The least value that `share` of all do not exceed; of uint8 a histogram tells it sooner than sorting."""
    return float(np.searchsorted(np.bincount(values.ravel()).cumsum(), share * values.size))


def _contrast(pixels: Pixels, zoom: int) -> Mask:
    """How far each pixel differs from its ground towards the ink's colour, as it would in even light: uint8 [height,
    width], 0 on the ground."""
    height, width = pixels.shape[:2]
    scale = GROUND_SIDE / max(height, width)
    small = pixels
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        half = cv2.resize(pixels, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_AREA)
        small = cv2.resize(half, size, interpolation=cv2.INTER_AREA)
    dark = _is_dark_on_light(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
    colour = _flat_ground(small, dark, zoom)
    if colour is not None:
        ground = np.broadcast_to(colour, small.shape).copy()
    else:
        side = max(3, int(min(small.shape[:2]) * WIDEST_STROKE) | 1)
        kernel = np.ones((side, side), np.uint8)
        ground = cv2.morphologyEx(small, cv2.MORPH_CLOSE if dark else cv2.MORPH_OPEN, kernel)
        ground = cv2.blur(cv2.blur(ground, (side // 3, side // 3)), (side // 3, side // 3))
    difference = cv2.subtract(ground, small) if dark else cv2.subtract(small, ground)
    # The ink's own colour is the direction in which the strongest pixels differ: it favours ink over tinted rules.
    total = difference.reshape(-1, 3) @ np.ones(3, np.uint16)
    rank = int(0.99 * (total.size - 1))
    strongest = total >= max(int(np.partition(total, rank)[rank]), 1)
    if not strongest.any():
        return np.zeros((height, width), np.uint8)
    direction = difference.reshape(-1, 3)[strongest].mean(axis=0)
    weights = direction / direction.sum()
    ground, plane = _mix(ground, weights), _mix(pixels, weights)
    level = _quantile(ground, 0.5)
    ground = cv2.resize(ground, (width, height), interpolation=cv2.INTER_LINEAR)
    # In a shadow ink and paper are darker by the same factor.
    reflected = cv2.divide(plane, ground, scale=level) if dark else None
    contrast = cv2.subtract(plane, ground) if reflected is None else cv2.subtract(level, reflected)
    offset = _quantile(contrast[::4, ::4], 0.5)
    return np.asarray(cv2.subtract(contrast, offset) if offset else contrast, np.uint8)


def _mix(pixels: Pixels, weights: npt.NDArray[np.float64]) -> Mask:
    """The weighted sum of the channels: uint8 [height, width]."""
    red, green, blue = cv2.split(pixels)
    mixed = cv2.addWeighted(red, float(weights[0]), green, float(weights[1]), 0.0)
    return np.asarray(cv2.addWeighted(mixed, 1.0, blue, float(weights[2]), 0.0), np.uint8)


def _levels(contrast: Mask) -> tuple[float, float] | None:
    """The contrasts above which a pixel may be ink and certainly is ink; None where nothing stands out."""
    step = max(1, contrast.shape[0] // 320), max(1, contrast.shape[1] // 320)
    sample = np.ascontiguousarray(contrast[:: step[0], :: step[1]])
    ground = cv2.calcHist([sample], [0], None, [int(MIN_CONTRAST)], [0, int(MIN_CONTRAST)])[:, 0]
    grain = float(np.sqrt((ground @ np.arange(len(ground)) ** 2) / max(float(ground.sum()), 1.0)))
    floor = max(MIN_CONTRAST, NOISE_FACTOR * grain)
    above = sample[sample > floor]
    if above.size == 0:
        return None
    strong, _ = cv2.threshold(above[:, np.newaxis], 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return max(floor, 0.5 * strong), max(floor, float(strong))


def _drop_rules(mask: Mask, contrast: Mask, faint: float) -> Mask:
    """Takes printed lines out of a mask: thin, straight, nearly level or upright, from border to border, and several.

    Only what is thin across a line is taken, so a stroke that crosses it stays whole.
    """
    for upright in (False, True):
        if upright:
            mask, contrast = cv2.transpose(mask), cv2.transpose(contrast)
        rules = _find_rules(contrast, faint)
        if rules is not None:
            band, thickness = rules
            tall = np.ones((2 * thickness + 1, 1), np.uint8)
            stroke = cv2.dilate(cv2.morphologyEx(mask, cv2.MORPH_OPEN, tall), np.ones((1, 3), np.uint8))
            removed = mask & band & ~stroke
            rest = mask & ~removed
            mask = rest | (cv2.morphologyEx(rest, cv2.MORPH_CLOSE, tall) & removed)
    return np.asarray(cv2.transpose(mask), np.uint8)


def _find_rules(contrast: Mask, faint: float) -> tuple[Mask, int] | None:
    """Printed lines that run nearly level: where they may be, uint8 [height, width], and how thick they are in pixels.

    Lines may be fainter than ink, so they are looked for at half the level in a copy that is averaged along the rows,
    in which grain vanishes. None where there are fewer than `FEWEST_RULES`.
    """
    height, width = contrast.shape
    side = max(3, int(THICKEST_RULE * min(height, width)) | 1)
    steps = width // RULE_STEP
    if steps < 2:
        return None
    narrow = cv2.resize(contrast, (steps, height), interpolation=cv2.INTER_AREA)
    wide = cv2.morphologyEx(narrow, cv2.MORPH_OPEN, np.ones((side + 2, 1), np.uint8))
    thin = _above(cv2.subtract(narrow, wide), 0.5 * faint)
    if np.count_nonzero(thin) < FEWEST_RULES * steps // 2:
        return None
    tilt = np.arctan(RULE_STEP * np.tan(RULE_TILT))
    lines = cv2.HoughLines(
        thin, 1, np.pi / 180, int(0.5 * steps), min_theta=np.pi / 2 - tilt, max_theta=np.pi / 2 + tilt
    )
    if lines is None:
        return None
    rho, theta = lines[:MOST_LINES].reshape(-1, 2).astype(np.float32).T
    along = np.arange(steps, dtype=np.float32)
    across = np.rint((rho[:, np.newaxis] - along * np.cos(theta)[:, np.newaxis]) / np.sin(theta)[:, np.newaxis])
    inside = (across >= 0) & (across < height)
    near = cv2.dilate(thin, np.ones((3, 1), np.uint8))
    covered = inside & (near[np.clip(across, 0, height - 1).astype(np.int32), np.arange(steps)] > 0)
    # A stroke does not run from border to border: a line is seen in its first and in its last quarter, too.
    length = inside.sum(axis=1, keepdims=True)
    place = inside.cumsum(axis=1)
    parts = (inside, inside & (4 * place <= length), inside & (4 * place > 3 * length))
    shares = [(covered & part).sum(axis=1) / np.maximum(part.sum(axis=1), 1) for part in parts]
    across = across[np.min(shares, axis=0) >= LEAST_COVERED]
    middles = np.sort(across[:, steps // 2])
    count = np.count_nonzero(np.diff(middles) > side) + 1 if middles.size else 0
    if count < FEWEST_RULES:
        return None
    band = np.zeros_like(thin)
    for first, last in across[:, [0, -1]].astype(int).tolist():
        cv2.line(band, (0, first), (steps - 1, last), 1, 3)
    thickness = np.count_nonzero(thin & band) / max(1, steps * count)
    band = cv2.dilate(band, np.ones((3, 1), np.uint8))
    return cv2.resize(band, (width, height), interpolation=cv2.INTER_NEAREST), max(1, round(thickness))


def _strokes(mask: Mask, contrast: Mask, strong: float) -> tuple[npt.NDArray[np.int32], list[tuple[Box, list[int]]]]:
    """Connected pieces of ink that hold a strong pixel and are no specks."""
    # (of OpenCV's algorithms for eight neighbours that of Grana et al., 2010, is the fastest here)
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_BBDT)
    certain = np.zeros(count, bool)
    certain[labels[(_above(contrast, strong) & mask).view(bool)]] = True
    certain[0] = False
    least = max(3.0, 0.02 * min(labels.shape))
    large = np.flatnonzero(certain & (stats[:, 2:4].max(axis=1) >= least)).tolist()
    boxes = {index: Box(*(int(value) for value in stats[index, :4])) for index in large}
    kept = [index for index in large if not _lies_along_border(labels, index, boxes[index])]
    if not kept:
        return labels, []
    longest = max(boxes[index].side for index in kept)
    kept = [index for index in kept if boxes[index].side >= 0.15 * longest]
    return labels, [(boxes[index], [index]) for index in kept] if len(kept) <= MAX_PIECES else []


def _lies_along_border(labels: npt.NDArray[np.int32], index: int, box: Box) -> bool:
    """Whether a thin piece runs along the picture's edge: a table's edge, a shadow, a frame."""
    height, width = labels.shape
    touching = 0
    if box.left == 0:
        touching += int(np.count_nonzero(labels[:, 0] == index))
    if box.right == width:
        touching += int(np.count_nonzero(labels[:, -1] == index))
    if box.top == 0:
        touching += int(np.count_nonzero(labels[0] == index))
    if box.bottom == height:
        touching += int(np.count_nonzero(labels[-1] == index))
    return touching > 0.6 * box.side and min(box.width, box.height) < 0.15 * min(height, width)


def _join(groups: list[tuple[Box, list[int]]]) -> list[tuple[Box, list[int]]]:
    joined: list[tuple[Box, list[int]]] = []
    for group in groups:
        whole = group
        while near := [other for other in joined if _belong(whole[0], other[0])]:
            for other in near:  # a larger box may reach what the smaller one did not
                joined.remove(other)
                whole = (whole[0].union(other[0]), whole[1] + other[1])
        joined.append(whole)
    groups = joined
    if not groups:
        return []
    longest = max(box.side for box, _ in groups)
    return [g for g in groups if g[0].side >= MIN_HEIGHT * longest]


def _belong(a: Box, b: Box) -> bool:
    across = min(a.right, b.right) - max(a.left, b.left)
    down = min(a.bottom, b.bottom) - max(a.top, b.top)
    tall = max(a.height, b.height)
    if across > 0 and down > 0:
        return True
    low, high = sorted((a, b), key=lambda box: box.height)
    bar = low.width > 1.8 * low.height and low.height < 0.45 * high.height
    if bar and low.bottom <= high.top + 0.2 * high.height and across > -0.1 * tall and -down < 0.3 * tall:
        return True  # the bar of a 5 or a 7 that its hook does not reach
    if across < 0.5 * min(a.width, b.width):
        return False
    return -down < (0.6 if bar else 0.15) * tall and low.height < 0.7 * tall


def _reading_order(groups: list[tuple[Box, list[int]]]) -> list[tuple[Box, list[int]]]:
    lines: list[list[tuple[Box, list[int]]]] = []
    for group in sorted(groups, key=lambda g: g[0].top + g[0].height / 2):
        middle = group[0].top + group[0].height / 2
        for line in lines:
            if any(box.top <= middle < box.bottom for box, _ in line):
                line.append(group)
                break
        else:
            lines.append([group])
    return [group for line in lines for group in sorted(line, key=lambda g: g[0].left)]


def _cut(
    contrast: Mask, labels: npt.NDArray[np.int32], group: tuple[Box, list[int]], strong: float, zoom: int
) -> Found:
    box, members = group
    view = (slice(max(box.top - 1, 0), box.bottom + 1), slice(max(box.left - 1, 0), box.right + 1))
    pieces = labels[view]
    own = np.logical_or.reduce([pieces == member for member in members]).astype(np.uint8)
    # One pixel more keeps the soft edge; the rest of the neighbourhood is not this digit's.
    values = contrast[view] * cv2.dilate(own, np.ones((3, 3), np.uint8))
    full = _quantile(values[values > strong], 0.5)
    ink = np.minimum(values * np.float32(1 / full), np.float32(1))
    left, top = box.left // zoom, box.top // zoom
    return Found(Box(left, top, -(-box.right // zoom) - left, -(-box.bottom // zoom) - top), ink)
