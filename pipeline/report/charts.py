"""The report's charts as inline SVG, drawn by matplotlib. Colours are variables of the page's style sheet."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from pipeline.report.contents import ModelReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = 8  # colours for recipes in the style sheet, --s0 to --s7; after that they repeat
_INK, _PAPER, *_SERIES = ("#010101", "#020202", *(f"#0001{number:02}" for number in range(SERIES)))
_CSS = {_INK: "currentColor", _PAPER: "Canvas", **{colour: f"var(--s{n})" for n, colour in enumerate(_SERIES)}}
"""Matplotlib's colours, and the variables that replace them in the page's light or dark theme."""

_STYLE = {
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 0),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "axes.labelsize"), 11),
    "font.size": 12,
    "grid.color": _INK,
    "grid.alpha": 0.15,
    "svg.fonttype": "none",  # text stays text; black text gets no colour, so the page sets it
    "svg.hashsalt": "digits",  # reproducible bytes
}
_ROLES = {"input": 6, "other": 6, "convolution": 0, "pooling": 1, "dense": 2}
_WIDTH = 5.0  # inches of 72 CSS pixels


def intervals(models: Sequence[ModelReport], colours: Mapping[str, int]) -> Markup:
    """Test accuracies with their intervals on one axis, one row each; published figures as hollow diamonds.

    `colours` maps each model's label to the number of its colour.
    """
    from matplotlib.ticker import PercentFormatter  # noqa: PLC0415

    drawing, axes = _figure(0.55 * len(models) + 0.3)
    for row, model in enumerate(models):
        colour, accuracy = _SERIES[colours[model.label] % SERIES], model.evaluation.accuracy
        low, high = model.interval
        shown = f"{model.label}: {accuracy:.2%}"
        axes.text(0, row - 0.25, shown, transform=axes.get_yaxis_transform(), weight="bold")
        tip = f"{shown} ({low:.2%} to {high:.2%})"
        axes.plot(model.interval, [row, row], color=colour, linewidth=3, solid_capstyle="round", gid=tip)
        axes.plot(accuracy, row, "o", color=colour, markersize=10, gid=tip)
        if model.published_accuracy is not None:
            tip = f"{model.label}, predecessor: {model.published_accuracy:.2%}"
            axes.plot(model.published_accuracy, row, "D", color=_INK, fillstyle="none", markersize=8, gid=tip)
    axes.set_ylim(len(models) - 0.6, -0.6)
    axes.set_yticks([])
    axes.locator_params("x", nbins=5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.grid(axis="x")
    return _svg(drawing, "Test accuracy of each model with its 95 % interval")


def curves(models: Sequence[ModelReport], colours: Mapping[str, int], figure: str) -> Markup | None:
    """The error or the loss over epochs on a logarithmic axis, training dashed; None without logs.

    Args:
        models: the models to draw.
        colours: the number of each model's colour, by label.
        figure: "accuracy", drawn as error, or "loss". Values that are not above 0 are drawn at the bottom.
    """
    found = [(m.label, c) for m in models for c in m.curves if c.figure == figure and c.points]
    if not found:
        return None
    from matplotlib.ticker import LogLocator  # noqa: PLC0415

    error = figure == "accuracy"
    drawing, axes = _figure(3.4)
    values = [[1 - y if error else y for _, y in curve.points] for _, curve in found]
    lowest = min((y for line in values for y in line if y > 0), default=1e-4)
    for (label, curve), line in zip(found, values, strict=True):
        dashed = curve.split == "training"
        axes.plot(
            [epoch for epoch, _ in curve.points],
            [max(y, lowest) for y in line],
            color=_SERIES[colours[label] % SERIES],
            linestyle="--" if dashed else "-",
            linewidth=1.4 if dashed else 2,
            marker="o" if len(line) == 1 else "",
            gid=f"{label}, {curve.split}",
        )
    epochs = [epoch for _, curve in found for epoch, _ in curve.points]
    first, span = min(epochs), max(epochs) - min(epochs)
    axes.set_xticks(sorted({first + round(span * part / 5) for part in range(6)}))
    axes.set_xlabel("epoch")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:g} %" if error else f"{y:g}")
    axes.minorticks_off()
    axes.grid(axis="y")
    return _svg(drawing, f"{'Error' if error else 'Loss'} over epochs")


def network(layers: Sequence[dict[str, Any]]) -> Markup:
    """The layers of models/export/card.py from the input down: each output, as stacked maps or rows of units."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    row, middle, text = 58, 52, 112  # CSS pixels; a line has 360
    drawing, axes = _figure(row * len(layers) / 72)
    axes.set(xlim=(0, 72 * _WIDTH), ylim=(row * (len(layers) - 0.5), -row / 2), position=(0, 0, 1, 1))
    axes.set_axis_off()
    for number, layer in enumerate(layers):
        y, output = row * number, layer["output"]
        if number:
            axes.plot([middle, middle], [y - row + 24, y - 24], color=_INK, alpha=0.4)
        maps = len(output) == 3
        width = 6 + output[0] if maps else min(96, 8 + 8 * math.log2(output[0]))
        height, depth = (width, min(5, 1 + int(math.log2(output[2])))) if maps else (12, 1)
        for sheet in reversed(range(depth)):
            shift = (sheet - (depth - 1) / 2) * 5
            corner = middle - width / 2 + shift, y - height / 2 - shift
            axes.add_patch(Rectangle(corner, width, height, fc=_PAPER, ec=_SERIES[_ROLES[layer["role"]]], lw=1.3))
        axes.text(text, y - 3, layer["kind"] + (f": {layer['detail']}" if layer["detail"] else ""), weight="bold")
        weights = f" · {layer['parameters']:,} parameters" if layer["parameters"] else ""
        axes.text(text, y + 14, " × ".join(map(str, output)) + weights, alpha=0.75, size=11)
    return _svg(drawing, "Architecture, layer by layer")


def _figure(height: float) -> tuple[Figure, Axes]:
    """A figure of this height in inches, with empty axes without a frame."""
    from matplotlib import rc_context  # noqa: PLC0415 (takes half a second)
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context(_STYLE):
        figure = Figure((_WIDTH, height), layout="constrained")
        return figure, figure.add_subplot(frame_on=False)


def _svg(figure: Figure, name: str) -> Markup:
    """The drawing as an SVG element, named for screen readers; an artist's `gid` becomes its tooltip."""
    from matplotlib import rc_context  # noqa: PLC0415

    for artist in figure.findobj():
        artist.set_clip_on(False)
    buffer = io.StringIO()
    with rc_context(_STYLE):
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    box, drawing = re.findall(r'<svg .*?(viewBox="[^"]*").*?>(.*)', buffer.getvalue(), re.DOTALL)[0]
    drawing = re.sub(r"<style.*?</style>|font-family: [^;]*; ", "", drawing)  # (the page has a style sheet)
    drawing = re.sub(r'<g id="[\w.]*_\d+"', "<g", drawing)  # ids that would repeat in each drawing
    drawing = re.sub(r'<g id="([^"]*)">', r"<g><title>\1</title>", drawing)
    drawing = re.sub("|".join(_CSS), lambda colour: _CSS[colour[0]], drawing)
    return Markup(f'<svg role="img" aria-label="{escape(name)}" {box}>{drawing}')
