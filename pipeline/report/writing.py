"""Writes a report as a self-contained HTML page, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2

from components.evaluation.metrics import MOST_MISREAD
from components.evaluation.result import EvaluationResult, surely_wrong
from pipeline.report import charts
from pipeline.report.conclusions import describe
from pipeline.report.contents import ModelReport, Report
from pipeline.report.statistics import SIGNIFICANCE

PAGE, MARKDOWN, DATA = "report.html", "report.md", "report.json"

_SHOWN = 48  # misclassified images shown at first; a click shows the others
_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Row:
    """A row of a table of metrics."""

    name: str
    cells: tuple[str, ...]  # one value for each model
    marked: frozenset[int] = frozenset()  # indexes of the best cells, or of each model's worst


def write_report(report: Report, folder: Path) -> Path:
    """Writes report.html, report.md and report.json to a folder, which is created if missing.

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
    """The report as plain JSON values, without pictures; misclassified images have their digests."""
    values = asdict(report)
    del values["misread"]
    for model in values["models"]:
        for part in ("made", "users"):
            if model[part] is not None:
                del model[part]["wrong"]
    return values


def render_html(report: Report) -> str:
    """The page: one self-contained file without scripts."""
    # One colour per recipe, so seeds of the same recipe look alike.
    colours = {label: number for number, recipe in enumerate(report.recipes) for label in recipe.models}
    curves = {
        name: charts.curves(report.models, colours, figure)
        for name, figure in (("Error", "accuracy"), ("Loss", "loss"))
    }
    return _render(
        report,
        "report.html.j2",
        intervals=charts.intervals(report.models, colours),
        curves={name: drawing for name, drawing in curves.items() if drawing},
        draw_network=charts.network,
        series=charts.SERIES,
        shown=_SHOWN,
    )


def render_markdown(report: Report) -> str:
    """The report as Markdown, without pictures."""
    lines = [line.rstrip() for line in _render(report, "report.md.j2").splitlines()]
    return "\n".join(line for number, line in enumerate(lines) if line or (number and lines[number - 1])) + "\n"


def _render(report: Report, template: str, **more: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"percent": _percent, "most_misread": MOST_MISREAD, "significance": SIGNIFICANCE}
    return environment.get_template(template).render(
        report=report,
        tables=_tables(report.models),
        digits=_digits(report.models),
        pairs=[describe(comparison) for comparison in report.comparisons],
        seeds=any(len(recipe.models) > 1 for recipe in report.recipes),
        networks={json.dumps([model.model, model.card.get("layers")]): model for model in report.models}.values(),
        data=_describe_data(report.models),
        mistakes=[_mistakes(model) for model in report.models],
        **more,
    )


def _tables(models: Sequence[ModelReport]) -> dict[str, list[Row]]:
    """The metrics by group, without rows and groups that have no value for any model."""

    def row(
        name: str,
        value: Callable[[ModelReport], Any],
        shown: Callable[[Any], str] = str,
        best: Callable[[Iterable[Any]], Any] | None = None,
    ) -> Row:
        values = [value(model) for model in models]
        known = [found for found in values if found is not None]
        marked = {number for number, found in enumerate(values) if best and known and found == best(known)}
        cells = tuple("–" if found is None else shown(found) for found in values)
        return Row(name, cells, frozenset(marked if len(marked) < len(models) else ()))

    groups = {
        "Test images": [
            row("Accuracy", lambda model: model.evaluation.accuracy, _percent, max),
            row("95 % interval", lambda model: f"{100 * model.interval[0]:.2f} to {_percent(model.interval[1])}"),
            row("Predecessor's", lambda model: model.published_accuracy, _percent),
            row("Misclassified", lambda model: f"{model.evaluation.wrong:,} of {model.evaluation.examples:,}"),
            row("Surely wrong", lambda model: surely_wrong(model.evaluation, model.card), _percent, min),
            row("Loss", lambda model: model.evaluation.loss, "{:.4f}".format, min),
            row("Calibration error", lambda model: model.evaluation.calibration_error, "{:.4f}".format, min),
            row("Worst digit", lambda model: model.evaluation, _describe_worst),
            row(
                "Photos",
                lambda model: model.photos,
                lambda photos: f"{_percent(photos.accuracy)} of {photos.pictures:,}",
            ),
        ],
        "Synthetic pictures": [
            row("Pages right", lambda model: model.made and model.made.pages_accuracy, _percent, max),
            row("Pages wrong", lambda model: model.made and model.made.pages_wrong, _percent, min),
            row(
                "Pages answered",
                lambda model: model.made and model.made.pages_accuracy + model.made.pages_wrong,
                _percent,
            ),
            row("Non-digits refused", lambda model: model.made and model.made.refusal, _percent, max),
            row(
                "Baseline",
                lambda model: model.made and model.made.baseline,
                lambda shares: f"{_percent(shares[0])} right, {_percent(shares[1])} refused",
            ),
        ],
        "Users' digits": [
            row(
                "Right",
                lambda model: model.users and (model.users.accuracy, model.users.examples),
                lambda pair: f"{_percent(pair[0])} of {pair[1]:,}",
            ),
            row("Surely wrong", lambda model: model.users and model.users.surely_wrong, _percent, min),
            row("Baseline", lambda model: model.users and model.users.baseline_accuracy, _percent),
            row("Trained on", lambda model: model.users and model.users.trained, "{:,}".format),
            row("Drift", lambda model: model.users and model.users.drift, str),
        ],
        "Cost": [
            row("Parameters", lambda model: model.card["parameters"], "{:,}".format, min),
            row("LiteRT", lambda model: model.litert_bytes, _size, min),
            row("SavedModel", lambda model: model.saved_model_bytes, _size, min),
            row("Latency", lambda model: model.latency_ms, f"{{:.3f}}{_SPACE}ms".format, min),
            row("Training", lambda model: model.card["training_seconds"], _duration, min),
        ],
        "Origin": [
            row("Seed", lambda model: model.seed),
            row("Trained", lambda model: str(model.card["trained_at"]).replace("T", " ").replace("+00:00", " UTC")),
            row("Machine", lambda model: model.card.get("machine")),
            row("Versions", lambda model: ", ".join(f"{name} {v}" for name, v in model.card["versions"].items())),
            row("Revision", lambda model: model.card["git_revision"] or None, _short),
            row("Verdict", lambda model: model.blessed, lambda blessed: "blessed" if blessed else "not blessed"),
            row("Pushed", lambda model: model.version, "version {}".format),
            row("Run", lambda model: model.run_id),
        ],
    }
    known = {group: [row for row in rows if set(row.cells) != {"–"}] for group, rows in groups.items()}
    return {group: rows for group, rows in known.items() if rows}


def _digits(models: Sequence[ModelReport]) -> list[Row]:
    """Accuracy by digit; each model's worst is marked."""
    rows = []
    for digit in sorted({digit for model in models for digit in model.evaluation.accuracy_by_digit}):
        shares = [model.evaluation.accuracy_by_digit.get(digit) for model in models]
        worst = {number for number, model in enumerate(models) if model.evaluation.worst_digit == digit}
        cells = tuple("–" if share is None else _percent(share) for share in shares)
        rows.append(Row(str(digit), cells, frozenset(worst)))
    return rows


def _mistakes(model: ModelReport) -> list[tuple[int, int, int]]:
    """(count, true digit, answer) of the wrong answers, most common first."""
    confusion = model.evaluation.confusion
    counts = [(row[answer], true, answer) for true, row in enumerate(confusion) for answer in range(len(row))]
    wrong = [entry for entry in counts if entry[0] and entry[1] != entry[2]]
    return sorted(wrong, key=lambda entry: (-entry[0], *entry[1:]))


def _describe_data(models: Sequence[ModelReport]) -> str:
    """The data, described once if all models share it."""
    found: dict[str, list[str]] = {}
    for model in models:
        sizes = ", ".join(f"{size:,} {split}" for split, size in model.split_sizes.items())
        text = f"{sizes} images; source: {model.data_source}; SHA-256 {model.data_fingerprint[:12]}"
        found.setdefault(text, []).append(model.label)
    if len(found) == 1:
        return f"{next(iter(found))}."
    return "; ".join(f"{' and '.join(labels)}: {text}" for text, labels in found.items()) + "."


def _describe_worst(evaluation: EvaluationResult) -> str:
    return f"{evaluation.worst_digit}: {_percent(evaluation.accuracy_by_digit[evaluation.worst_digit])}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}{_SPACE}%"


def _size(count: float) -> str:
    return f"{count / 1024:,.0f}{_SPACE}KiB"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f}{_SPACE}s" if seconds < 120 else f"{seconds / 60:.1f}{_SPACE}min"


def _short(revision: str) -> str:
    return revision[:10] + ("-dirty" if revision.endswith("-dirty") else "")
