"""Evaluates the reading of labelled pictures: accuracy, abstentions, and the mistakes as pictures."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from serving_bot.reading.annotation import annotate
from serving_bot.reading.decoding import UnreadablePictureError
from serving_bot.reading.reader import Reader

NO_NUMBER = "none"
"""The label of a picture without a number."""

_LABEL = re.compile(rf"[0-9]+(_[0-9]+)*|{NO_NUMBER}")

THUMBNAIL = 480
"""Longer side of a mistake's picture in the report, in pixels."""


class NoPicturesError(Exception):
    """The folder has no labelled pictures; the message describes the expected layout."""


@dataclass(frozen=True)
class Labelled:
    """A picture file and its label.

    Attributes:
        path: the file.
        kind: name of the folder above the label's; "" if there is none.
        label: name of the file's folder: digits such as "2026", "2_31" in two lines, or "none" for no number.
    """

    path: Path
    kind: str
    label: str


@dataclass(frozen=True)
class Outcome:
    """The result for one picture.

    Attributes:
        picture: the file and its label.
        answer: the digits read, lines joined by "_"; "" if there are none or the file is unreadable.
        sure: whether the answer is confident.
        none: whether the answer is "no number".
        error: why the file could not be read, else "".
        annotated: JPEG bytes of the annotated picture of a mistake or abstention, else None.
    """

    picture: Labelled
    answer: str
    sure: bool
    error: str
    annotated: bytes | None
    none: bool = False

    @property
    def right(self) -> bool:
        """Whether the answer is confident and equals the label."""
        if self.picture.label == NO_NUMBER:
            return self.none
        return self.sure and self.answer == self.picture.label

    @property
    def abstained(self) -> bool:
        """Whether the reader answered "not sure", or "no number" for a number."""
        return not self.sure and not self.error and not self.right

    @property
    def shown(self) -> str:
        """The answer as short text."""
        if self.error:
            return self.error
        if self.none:
            return "no number"
        return self.answer if self.sure else f"not sure ({self.answer}?)"


def collect(folder: Path) -> list[Labelled]:
    """The pictures at DIR/<label>/<file> or DIR/<kind>/<label>/<file>, sorted.

    Labels are digits ("7", "2026", "2_31" in two lines) or "none".

    Raises:
        NoPicturesError: the folder or such a file does not exist.
    """
    if not folder.is_dir():
        raise NoPicturesError(f"{folder} is not a folder.")
    pictures = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        parents = path.relative_to(folder).parts[:-1]
        if 1 <= len(parents) <= 2 and _LABEL.fullmatch(parents[-1]):
            pictures.append(Labelled(path, parents[0] if len(parents) == 2 else "", parents[-1]))
    if not pictures:
        raise NoPicturesError(
            f"{folder} has no labelled picture: put each at {folder}/<digit>/<file> or {folder}/<kind>/<digit>/<file>."
        )
    return pictures


def evaluate(
    reader: Reader,
    pictures: Iterable[Labelled],
    *,
    keep_pictures: bool = False,
    progress: Callable[[], None] | None = None,
) -> list[Outcome]:
    """Reads every picture.

    Args:
        reader: the reader to evaluate.
        pictures: from `collect`.
        keep_pictures: whether to keep the annotated pictures of mistakes and abstentions, for `render_report`.
        progress: called after each picture.
    """
    outcomes = []
    for picture in pictures:
        outcomes.append(_read(reader, picture, keep_pictures))
        if progress is not None:
            progress()
    return outcomes


def _read(reader: Reader, picture: Labelled, keep_picture: bool) -> Outcome:
    try:
        reading = reader.read(picture.path.read_bytes())
    except (UnreadablePictureError, OSError) as error:
        return Outcome(picture, "", False, str(error), None)
    answer = reading.text.replace("\n", "_")
    outcome = Outcome(picture, answer, reading.sure, "", None, none=reading.outcome == "none")
    if not keep_picture or outcome.right:
        return outcome
    return replace(outcome, annotated=thumbnail(annotate(reading), (THUMBNAIL, THUMBNAIL)))


def thumbnail(data: bytes, size: tuple[int, int]) -> bytes:
    """A picture as JPEG bytes, with maximum width and height in pixels."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.thumbnail(size)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def summarise(outcomes: list[Outcome]) -> dict[str, Any]:
    """The figures as JSON values.

    `accuracy` is the share of all pictures with a confident right answer: abstentions, missed digits and unreadable
    files count against it. `accuracy_when_sure` is the share of right answers among the confident ones (None if there
    are none). `best_guess_accuracy` uses the likeliest digits even if the reader is not sure.
    """
    summary = _figures(outcomes)
    for name, attribute in (("per_label", "label"), ("per_kind", "kind")):
        groups: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            groups.setdefault(getattr(outcome.picture, attribute), []).append(outcome)
        if set(groups) != {""}:
            summary[name] = {value: _figures(groups[value]) for value in sorted(groups)}
    summary["mistakes"] = [
        {
            "file": str(outcome.picture.path),
            "label": outcome.picture.label,
            "answer": outcome.answer,
            "sure": outcome.sure,
            "error": outcome.error or None,
        }
        for outcome in outcomes
        if not outcome.right
    ]
    return summary


def _figures(outcomes: list[Outcome]) -> dict[str, Any]:
    total = len(outcomes)
    right = sum(outcome.right for outcome in outcomes)
    sure = sum(outcome.sure for outcome in outcomes)
    return {
        "accuracy": right / total,
        "pictures": total,
        "right": right,
        "wrong": sum(outcome.sure and not outcome.right for outcome in outcomes),
        "abstentions": sum(outcome.abstained for outcome in outcomes),
        "unreadable": sum(bool(outcome.error) for outcome in outcomes),
        "accuracy_when_sure": sum(outcome.sure and outcome.right for outcome in outcomes) / sure if sure else None,
        "best_guess_accuracy": sum(outcome.answer == outcome.picture.label for outcome in outcomes) / total,
    }


_REPORT = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reading {{ folder }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .8rem; text-align: right;
border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem }
figure { margin: 0; border: 1px solid #ddd; padding: .5rem } img { max-width: 100%; display: block }
figcaption { overflow-wrap: anywhere }
</style>
<h1>{{ "%.2f"|format(100 * summary.accuracy) }} % read right</h1>
<p>{{ folder }}, read by {{ model }}: pictures {{ summary.pictures }};
{{ summary.wrong }} wrong, {{ summary.abstentions }} not sure or nothing found,
{{ summary.unreadable }} unreadable; all of these count against the accuracy.</p>
{% for title, figures in tables %}
<table>
<tr><th>{{ title }}</th><th>pictures</th><th>accuracy</th><th>wrong</th><th>not sure</th><th>right when sure</th></tr>
{% for name, row in figures.items() %}
<tr><td>{{ name or "(none)" }}</td><td>{{ row.pictures }}</td><td>{{ "%.1f %%"|format(100 * row.accuracy) }}</td>
<td>{{ row.wrong }}</td><td>{{ row.abstentions }}</td>
<td>{% if row.accuracy_when_sure is not none %}{{ "%.1f %%"|format(100 * row.accuracy_when_sure) }}{% endif %}</td></tr>
{% endfor %}
</table>
{% endfor %}
<h2>Not read right</h2>
<div class="grid">
{% for outcome in mistakes %}
<figure>{% if outcome.annotated %}<img alt="" src="data:image/jpeg;base64,{{ encode(outcome.annotated) }}">{% endif %}
<figcaption>{{ outcome.picture.path }}: a {{ outcome.picture.label }}, read as {{ outcome.shown }}</figcaption></figure>
{% else %}
<p>None.</p>
{% endfor %}
</div>
</html>
""")


def render_report(folder: Path, outcomes: list[Outcome], model: str) -> str:
    """One self-contained HTML page: the figures as tables, the mistakes and abstentions as pictures.

    Args:
        folder: the evaluated folder, for the title.
        outcomes: from `evaluate` with `keep_pictures`.
        model: name and version of the model, for the first line.
    """
    summary = summarise(outcomes)
    tables = [(title, summary[key]) for title, key in (("Kind", "per_kind"), ("Label", "per_label")) if key in summary]
    return _REPORT.render(
        folder=folder,
        summary=summary,
        tables=tables,
        mistakes=[outcome for outcome in outcomes if not outcome.right],
        model=model,
        encode=lambda data: base64.b64encode(data).decode(),
    )


def describe(summary: dict[str, Any], model: str) -> str:
    """The figures of `summarise` as lines for a terminal."""
    lines = [f"{model}: {summary['accuracy']:.2%} read right (pictures: {summary['pictures']})"]
    lines.append(
        f"  {summary['wrong']} wrong, {summary['abstentions']} not sure or nothing found, "
        f"{summary['unreadable']} unreadable"
    )
    for title, key in (("kind", "per_kind"), ("label", "per_label")):
        for name, row in summary.get(key, {}).items():
            lines.append(
                f"  {title} {name or '(none)':<12} {row['accuracy']:7.2%} of {row['pictures']:>5}"
                f"   {row['wrong']} wrong, {row['abstentions']} not sure"
            )
    return "\n".join(lines)
