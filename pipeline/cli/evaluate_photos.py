"""`digits evaluate-photos`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import PushDir, stop


def evaluate_photos(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Pictures at DIR/<digit>/<file> or DIR/<kind>/<digit>/<file>.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures and the mistakes as JSON.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write a self-contained page that shows the mistakes.")
    ] = None,
    push_dir: PushDir = "serving_model",
) -> None:
    """Measure how well the last pushed model reads a folder of labelled pictures."""
    from rich.console import Console
    from rich.progress import Progress

    from pipeline.cli.pushed_model import load_classifier
    from serving_bot.reading import evaluation
    from serving_bot.reading.reader import Reader

    try:
        pictures = evaluation.collect(folder)
    except evaluation.NoPicturesError as error:
        stop(str(error))
    classifier, model = load_classifier(push_dir)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Reading", total=len(pictures))
        outcomes = evaluation.evaluate(
            Reader(classifier), pictures, keep_pictures=report is not None, progress=lambda: progress.advance(task)
        )
    if report is not None:
        try:
            report.write_text(evaluation.render_report(folder, outcomes, model), encoding="utf-8")
        except OSError as error:
            stop(f"{report}: {error.strerror}")
    summary = evaluation.summarise(outcomes)
    typer.echo(
        json.dumps({"model": model, "export_id": classifier.card.get("export_id"), **summary}, indent=2)
        if as_json
        else evaluation.describe(summary, model)
    )
