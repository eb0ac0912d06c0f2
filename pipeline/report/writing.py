"""Writes a report: one HTML page that needs nothing else, the same as Markdown, and as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from components.evaluation.metrics import MOST_MISREAD
from pipeline.report import charts
from pipeline.report.conclusions import describe
from pipeline.report.contents import ModelReport, Report

PAGE, MARKDOWN, DATA = "report.html", "report.md", "report.json"

_SHOWN = 48
"""Misread pictures that are seen at once; the others are behind a click."""

_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Row:
    """A row of a table of figures, a cell for each model."""

    name: str  # what it shows
    cells: tuple[str, ...]  # the figures
    best: frozenset[int] = frozenset()  # which cells to mark


def write_report(report: Report, folder: Path) -> Path:
    """Writes report.html, report.md and report.json to a folder, which is made where it is missing.

    Returns:
        The page's path.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATA).write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")
    (folder / MARKDOWN).write_text(render_markdown(report), encoding="utf-8")
    page = folder / PAGE
    page.write_text(render_html(report), encoding="utf-8")
    return page


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON values. Pictures are left out; each model's misread images stand with their digests."""
    values = asdict(report)
    del values["misread"]
    return values


def render_html(report: Report) -> str:
    """The page: one file without scripts, that refers to nothing outside itself."""
    return _render(
        report,
        "report.html.j2",
        intervals=Markup(_draw_intervals(report)),
        confusion=[Markup(charts.confusion_matrix(model.evaluation.confusion)) for model in report.models],
        curves={name: Markup(svg) for name, svg in _draw_curves(report).items()},
        series=charts.SERIES,
        shown=_SHOWN,
    )


def render_markdown(report: Report) -> str:
    """The same without pictures."""
    misread_by_all = sum(len(misread.answers) == len(report.models) for misread in report.misread)
    text = _render(
        report,
        "report.md.j2",
        mistakes=[_commonest_mistakes(model) for model in report.models],
        misread_by_all=misread_by_all,
        milestones=_milestones(report.models),
    )
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(line for number, line in enumerate(lines) if line or (number and lines[number - 1])) + "\n"


def _render(report: Report, template: str, **more: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    seeds = any(len(recipe.models) > 1 for recipe in report.recipes)
    return environment.get_template(template).render(
        report=report,
        several=len(report.models) > 1,
        tables=_tables(report.models),
        digits=_digits(report.models),
        pairs=[describe(comparison) for comparison in report.comparisons],
        test_explained=_explain_test(len(report.comparisons), seeds),
        not_compared=_not_compared(report),
        seeds=seeds,
        networks=_networks(report.models),
        resumed=_resumed(report.models),
        left_out=_left_out(report.models),
        data=_describe_data(report.models),
        percent=_percent,
        **more,
    )


def _left_out(models: Sequence[ModelReport]) -> str:
    """What the list of misread images lacks, in a sentence; empty if it lacks nothing."""
    if all(model.evaluation.lists_all_misread for model in models):
        return ""
    return (
        f"Of a model that misreads more than {MOST_MISREAD:,} images, as many are listed, picked at random and the "
        "same for every model; pairs are compared on these."
    )


def _tables(models: Sequence[ModelReport]) -> dict[str, list[Row]]:
    """The figures by group; a row that no model has a value for is left out."""

    def row(name: str, shown: Callable[[ModelReport], str | None]) -> Row:
        return Row(name, tuple(shown(model) or "–" for model in models))

    def ranked(name: str, value: Callable[[ModelReport], Any], shown: Callable[[float], str], sign: int) -> Row:
        values = [value(model) for model in models]
        cells = tuple("–" if found is None else shown(found) for found in values)
        best = max((sign * found for found in values if found is not None), default=None)
        marked = [number for number, found in enumerate(values) if found is not None and sign * found == best]
        return Row(name, cells, frozenset(marked if len(models) > 1 and len(marked) < len(models) else ()))

    groups = {
        "Test images": [
            ranked("Accuracy", lambda model: model.evaluation.accuracy, _percent, 1),
            row("95 % interval", lambda model: f"{100 * model.interval[0]:.2f} to {_percent(model.interval[1])}"),
            row(
                "Predecessor's", lambda model: _percent(model.published_accuracy) if model.published_accuracy else None
            ),
            row("Misread", lambda model: f"{model.evaluation.wrong:,} of {model.evaluation.examples:,}"),
            ranked("Loss", lambda model: model.evaluation.loss, "{:.4f}".format, -1),
            ranked("Calibration error", lambda model: model.evaluation.calibration_error, "{:.4f}".format, -1),
            row(
                "Worst digit",
                lambda model: (
                    f"{(digit := model.evaluation.worst_digit)}: {_percent(model.evaluation.accuracy_by_digit[digit])}"
                ),
            ),
            row(
                "Photos",
                lambda model: (
                    f"{_percent(model.photos.accuracy)} of {model.photos.pictures:,}" if model.photos else None
                ),
            ),
        ],
        "Cost": [
            ranked("Parameters", lambda model: model.card["parameters"], "{:,}".format, -1),
            ranked("LiteRT", lambda model: model.litert_bytes, _size, -1),
            ranked("SavedModel", lambda model: model.saved_model_bytes, _size, -1),
            ranked("Latency", lambda model: model.latency_ms, f"{{:.3f}}{_SPACE}ms".format, -1),
            ranked("Training", lambda model: model.card["training_seconds"], _duration, -1),
        ],
        "Origin": [
            row("Seed", lambda model: str(model.seed)),
            row("Trained", lambda model: str(model.card["trained_at"]).replace("T", " ").replace("+00:00", " UTC")),
            row("Machine", lambda model: model.card.get("machine")),
            row("Versions", lambda model: ", ".join(f"{name} {v}" for name, v in model.card["versions"].items())),
            row("Revision", lambda model: _short(model.card["git_revision"])),
            row("Verdict", lambda model: {True: "blessed", False: "not blessed", None: None}[model.blessed]),
            row("Pushed", lambda model: f"version {model.version}" if model.version else None),
            row("Run", lambda model: model.run_id),
        ],
    }
    return {group: [row for row in rows if set(row.cells) != {"–"}] for group, rows in groups.items()}


def _digits(models: Sequence[ModelReport]) -> list[Row]:
    """Accuracy by digit; each model's worst is marked."""
    digits = sorted({digit for model in models for digit in model.evaluation.accuracy_by_digit})
    rows = []
    for digit in digits:
        shares = [model.evaluation.accuracy_by_digit.get(digit) for model in models]
        worst = [number for number, model in enumerate(models) if model.evaluation.worst_digit == digit]
        cells = tuple("–" if share is None else _percent(share) for share in shares)
        rows.append(Row(str(digit), cells, frozenset(worst)))
    return rows


def _draw_intervals(report: Report) -> str:
    colours = _colours(report)
    return charts.intervals(
        [
            charts.Interval(
                model.label,
                model.evaluation.accuracy,
                *model.interval,
                model.published_accuracy,
                series=colours[model.label],
            )
            for model in report.models
        ]
    )


def _colours(report: Report) -> dict[str, int]:
    """The number of each model's colour: one for a recipe, so that several seeds are seen as what they are."""
    return {label: number for number, recipe in enumerate(report.recipes) for label in recipe.models}


def _draw_curves(report: Report) -> dict[str, str]:
    """Error and loss over epochs, a drawing for each that there are logs of."""
    drawings = {}
    colours = _colours(report)
    for name, figure in (("Error", "accuracy"), ("Loss", "loss")):
        lines = [
            charts.Line(
                label=f"{model.label}, {curve.split}",
                points=tuple((x, 1 - y if figure == "accuracy" else y) for x, y in curve.points),
                series=colours[model.label],
                dashed=curve.split == "training",
            )
            for model in report.models
            for curve in model.curves
            if curve.figure == figure and curve.points
        ]
        if lines:
            drawings[name] = charts.curves(lines, name, percent=figure == "accuracy")
    return drawings


def _milestones(models: Sequence[ModelReport]) -> list[Row]:
    """Validation accuracy after the first, the middle and the last epoch of each training."""
    rows = []
    for name, share in (("First", 0.0), ("Middle", 0.5), ("Last", 1.0)):
        cells = []
        for model in models:
            points = next(
                (c.points for c in model.curves if (c.split, c.figure) == ("validation", "accuracy") and c.points), None
            )
            point = points[round(share * (len(points) - 1))] if points else None
            cells.append(f"epoch {point[0]}: {_percent(point[1])}" if point else "–")
        rows.append(Row(f"{name} validation accuracy", tuple(cells)))
    return rows


def _networks(models: Sequence[ModelReport]) -> list[dict[str, Any]]:
    """Each network once: its name, its drawing and its layers in words."""
    networks: dict[str, dict[str, Any]] = {}
    for model in models:
        layers = model.card.get("layers")
        key = json.dumps([model.model, layers])
        if key not in networks:
            networks[key] = {
                "name": f"{model.model}, {model.card['parameters']:,} parameters",
                "drawing": Markup(charts.network(layers)) if layers else "",
                "words": " → ".join(_layer(layer) for layer in layers)
                if layers
                else "its card does not list its layers",
            }
    return list(networks.values())


def _layer(layer: dict[str, Any]) -> str:
    return f"{layer['kind']} {layer['detail'] or '×'.join(map(str, layer['output']))}"


def _commonest_mistakes(model: ModelReport) -> str:
    counts = [
        (count, true, answer)
        for true, row in enumerate(model.evaluation.confusion)
        for answer, count in enumerate(row)
        if true != answer and count
    ]
    counts.sort(key=lambda entry: (-entry[0], *entry[1:]))
    return ", ".join(f"{true} read as {answer}: {count}" for count, true, answer in counts[:5]) or "none"


def _explain_test(comparisons: int, seeds: bool) -> str:
    text = (
        "McNemar's exact test on the images that only one of the two reads right; two models are told apart where p is "
        "below 0.05"
    )
    if comparisons > 1:
        text += f", after Holm's adjustment for {comparisons} comparisons"
    if seeds:
        text += (
            ". Of several seeds the one with the median accuracy is compared, of an even number the lower of the two "
            "in the middle: the test is about these models; the range over the seeds shows what another seed does"
        )
    return f"{text}."


def _not_compared(report: Report) -> str:
    pairs = len(report.recipes) * (len(report.recipes) - 1) // 2
    missing = pairs - len(report.comparisons)
    if not missing:
        return ""
    are = "1 pair is" if missing == 1 else f"{missing} pairs are"
    return f"{are} not compared: the models were evaluated on different data."


def _resumed(models: Sequence[ModelReport]) -> str:
    resumed = [
        model.label for model in models if any(curve.points and curve.points[0][0] > 1 for curve in model.curves)
    ]
    return f"Interrupted and gone on with, so that the log begins later: {'; '.join(resumed)}." if resumed else ""


def _describe_data(models: Sequence[ModelReport]) -> str:
    """The data, once where all models share it."""
    found: dict[str, list[str]] = {}
    for model in models:
        sizes = ", ".join(f"{size:,} {split}" for split, size in model.split_sizes.items())
        fingerprint = hashlib.sha256(model.data_fingerprint.encode()).hexdigest()[:12]  # (TFX's is a line a split)
        text = f"{sizes} images; source: {model.data_source}; fingerprint {fingerprint}"
        found.setdefault(text, []).append(model.label)
    if len(found) == 1:
        return f"{next(iter(found))}."
    return "; ".join(f"{' and '.join(labels)}: {text}" for text, labels in found.items()) + "."


def _percent(share: float) -> str:
    return f"{100 * share:.2f}{_SPACE}%"


def _size(count: float) -> str:
    return f"{count / 1024:,.0f}{_SPACE}KiB"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f}{_SPACE}s" if seconds < 120 else f"{seconds / 60:.1f}{_SPACE}min"


def _short(revision: str) -> str:
    return revision[:10] + ("-dirty" if revision.endswith("-dirty") else "")
