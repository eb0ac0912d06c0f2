"""Rectangles in pixels, and grouping those that belong together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; `left` and `top` are inclusive."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column after it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row after it."""
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
        """The box in a picture enlarged by `factor`."""
        left, top = round(self.left * factor), round(self.top * factor)
        return Box(left, top, round(self.right * factor) - left, round(self.bottom * factor) - top)


def stack(boxes: list[Box]) -> list[tuple[Box, list[int]]]:
    """Merges boxes that overlap or are stacked like the strokes of one digit; returns them with their indexes."""
    clusters: list[tuple[Box, list[int]]] = []
    for index, box in enumerate(boxes):
        whole = (box, [index])
        while near := [other for other in clusters if _belong(whole[0], other[0])]:
            for other in near:  # the larger box may reach others
                clusters.remove(other)
                whole = (whole[0].union(other[0]), whole[1] + other[1])
        clusters.append(whole)
    return clusters


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
