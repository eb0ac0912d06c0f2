"""The report's drawings as inline SVG. Colours are the page's: classes of its style sheet (report.html.j2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

SERIES = 8
"""How many colours the style sheet has for recipes, as the classes s0 to s7; after that they begin anew."""


@dataclass(frozen=True)
class Interval:
    """A row of `intervals`."""

    label: str  # what it is about
    value: float  # a share of 1
    low: float  # lower end of its interval
    high: float  # upper end
    published: float | None  # the figure to hold against it, None where there is none
    series: int  # number of its colour


@dataclass(frozen=True)
class Line:
    """A line of `curves`."""

    label: str  # what it is
    points: tuple[tuple[int, float], ...]  # (x, y); y above 0, what is not is drawn at the bottom
    series: int  # number of its colour
    dashed: bool  # whether it is dashed


def intervals(rows: Sequence[Interval]) -> str:
    """Values with their intervals on one axis of percent, a row each; published figures as hollow diamonds."""
    width, top, row_height, left, right = 360, 4, 38, 8, 352
    height = top + row_height * len(rows) + 22
    values = [value for row in rows for value in (row.low, row.high, row.published) if value is not None]
    ticks = _ticks(min(values), max(values))

    def x(value: float) -> float:
        return left + 12 + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (right - left - 24)

    svg = _svg(width, height, "Test accuracy of each model with its 95 % interval")
    for tick in ticks:
        _add(svg, "line", x1=x(tick), x2=x(tick), y1=top, y2=height - 18, class_="grid")
        _text(svg, f"{tick:.6%}".rstrip("0%").rstrip(".") + " %", x(tick), height - 5, "tick middle")
    for number, row in enumerate(rows):
        y = top + row_height * number + 27
        shown = f"{row.label}: {row.value:.2%} ({row.low:.2%} to {row.high:.2%})"
        group = _add(svg, "g", class_=f"s{row.series % SERIES}")
        _add(group, "title").text = shown
        _text(group, f"{row.label}: {row.value:.2%}", left, y - 11, "label")
        _add(group, "line", x1=x(row.low), x2=x(row.high), y1=y, y2=y, class_="whisker")
        _add(group, "circle", cx=x(row.value), cy=y, r=5, class_="dot")
        if row.published is not None:
            diamond = _add(svg, "path", d=f"M{x(row.published):.1f} {y - 6}l6 6l-6 6l-6-6z", class_="published")
            _add(diamond, "title").text = f"{row.label}, predecessor: {row.published:.2%}"
    return _finish(svg)


def curves(lines: Sequence[Line], name: str, percent: bool) -> str:
    """Lines over epochs with a logarithmic y axis.

    Args:
        lines: at least one with a point.
        name: what the y axis shows.
        percent: whether its values are shares, shown in percent.
    """
    width, height, left, right, top, bottom = 360, 240, 44, 350, 10, 206
    positive = [y for line in lines for _, y in line.points if y > 0] or [1.0]
    last = max(x for line in lines for x, _ in line.points)
    first = min(x for line in lines for x, _ in line.points)
    y_ticks = _log_ticks(min(positive), max(positive))
    lowest, highest = math.log10(y_ticks[0]), math.log10(y_ticks[-1])

    def x_at(x: float) -> float:
        return left + 6 + (x - first) / max(1, last - first) * (right - left - 12)

    def y_at(y: float) -> float:
        return bottom if y <= 0 else bottom - (math.log10(y) - lowest) / (highest - lowest) * (bottom - top)

    svg = _svg(width, height, f"{name} over epochs")
    for tick in y_ticks:
        _add(svg, "line", x1=left, x2=right, y1=y_at(tick), y2=y_at(tick), class_="grid")
        _text(svg, f"{tick * 100:g} %" if percent else f"{tick:g}", left - 5, y_at(tick) + 4, "tick end")
    for epoch in sorted({first, last, *range(0, last, _step(last - first))} - {0}):
        if first <= epoch <= last and (epoch in (first, last) or last - epoch > _step(last - first) / 2):
            _text(svg, str(epoch), x_at(epoch), bottom + 15, "tick middle")
    _text(svg, "epoch", (left + right) / 2, height - 4, "tick middle")
    for line in lines:
        path = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in line.points)
        style = f"line s{line.series % SERIES}" + (" dashed" if line.dashed else "")
        drawn = _add(svg, "polyline", points=path, class_=style)
        _add(drawn, "title").text = line.label
        if len(line.points) == 1:
            (only,) = line.points
            _add(svg, "circle", cx=x_at(only[0]), cy=y_at(only[1]), r=3, class_=f"dot s{line.series % SERIES}")
    return _finish(svg)


def confusion_matrix(counts: Sequence[Sequence[int]]) -> str:
    """Counts [true digit][answer] as a table of ten by ten; mistakes are coloured by how many they are."""
    cell, left, top = 30, 34, 34
    size = len(counts)
    svg = _svg(left + cell * size + 2, top + cell * size + 2, "Confusion matrix: rows are true digits, columns answers")
    most = max(count for true, row in enumerate(counts) for answer, count in enumerate(row) if true != answer)
    _text(svg, "answer", left + cell * size / 2, 12, "tick middle")
    _text(svg, "true", 2, top - 8, "tick")
    for true, row in enumerate(counts):
        _text(svg, str(true), left - 10, top + cell * true + 20, "label middle")
        _text(svg, str(true), left + cell * true + cell / 2, top - 8, "label middle")
        for answer, count in enumerate(row):
            right = true == answer
            group = _add(svg, "g")
            _add(group, "title").text = f"{count:,} of digit {true} read as {answer}"
            square = _add(
                group,
                "rect",
                x=left + cell * answer,
                y=top + cell * true,
                width=cell - 1,
                height=cell - 1,
                class_="right" if right else "wrong" if count else "none",
            )
            if count and not right:
                square.set("fill-opacity", f"{0.15 + 0.75 * math.sqrt(count / most):.2f}")
            if count:
                x, y = left + cell * answer + (cell - 1) / 2, top + cell * true + 19
                _text(group, str(count), x, y, "small middle" if right else "count middle")
    return _finish(svg)


def network(layers: Sequence[dict[str, Any]]) -> str:
    """The layers from the input down: what each puts out, drawn as a stack of maps or a row of units.

    Args:
        layers: as models/export/card.py describes them.
    """
    row, axis, text = 58, 52, 112
    svg = _svg(360, row * len(layers), "Architecture, layer by layer")
    for number, layer in enumerate(layers):
        middle = row * number + row / 2
        if number:
            _add(svg, "line", x1=axis, x2=axis, y1=middle - row + 24, y2=middle - 24, class_="arrow")
        group = _add(svg, "g", class_=f"layer {layer['role']}")
        if len(layer["output"]) == 3:
            side, depth = 6 + layer["output"][0], min(5, 1 + int(math.log2(layer["output"][2])))
            for sheet in reversed(range(depth)):
                offset = (sheet - (depth - 1) / 2) * 5
                _add(group, "rect", x=axis - side / 2 + offset, y=middle - side / 2 - offset, width=side, height=side)
        else:
            length = min(96, 8 + 8 * math.log2(layer["output"][0]))
            _add(group, "rect", x=axis - length / 2, y=middle - 6, width=length, height=12)
        _text(svg, layer["kind"] + (f": {layer['detail']}" if layer["detail"] else ""), text, middle - 3, "label")
        shape = " × ".join(map(str, layer["output"]))
        weights = f" · {layer['parameters']:,} parameters" if layer["parameters"] else ""
        _text(svg, shape + weights, text, middle + 14, "tick")
    return _finish(svg)


def _ticks(low: float, high: float) -> list[float]:
    """Few round values of which the first lies below and the last above what is given."""
    spread = max(high - low, 1e-4)
    step = next(
        size * 10.0**power
        for power in range(-6, 1)
        for size in (1, 2, 5)
        if spread / (size * 10.0**power) <= 4  # more would not fit beside each other on a phone
    )
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Round values 1, 2, 5 times powers of ten (or the powers alone), from below `low` to above `high`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [float(f"{size}e{power}") for power in powers for size in (1, 2, 5)]
    first = max(index for index, tick in enumerate(every) if tick <= low)
    last = min((index for index, tick in enumerate(every) if tick >= high), default=len(every) - 1)
    ticks = every[first : max(last, first + 1) + 1]
    if len(ticks) <= 10:
        return ticks
    return [ticks[0], *(tick for tick in ticks[1:-1] if f"{tick:e}".startswith("1.0")), ticks[-1]]


def _step(span: int) -> int:
    """Epochs between ticks: five or so over all."""
    return next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if span / step <= 6)


def _svg(width: float, height: float, name: str) -> ElementTree.Element:
    return ElementTree.Element("svg", {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "aria-label": name})


def _add(parent: ElementTree.Element, kind: str, class_: str = "", **attributes: float | str) -> ElementTree.Element:
    values = {name: value if isinstance(value, str) else f"{value:.4g}" for name, value in attributes.items()}
    return ElementTree.SubElement(parent, kind, {**values, **({"class": class_} if class_ else {})})


def _text(parent: ElementTree.Element, text: str, x: float, y: float, class_: str) -> None:
    _add(parent, "text", class_, x=x, y=y).text = text


def _finish(svg: ElementTree.Element) -> str:
    return ElementTree.tostring(svg, encoding="unicode")
