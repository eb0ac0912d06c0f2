"""`digits predict` and `digits evaluate-photos`: pictures read with the last pushed model."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import PushDir, stop

if TYPE_CHECKING:
    from serving_bot.reading.reader import Reader


def predict(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Pictures: JPEG, PNG, WebP, GIF, BMP; HEIC with the extra.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answers as JSON; boxes in pixels of the upright picture.")
    ] = False,
    save_annotated: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Draw boxes, answers and what the network saw (one FILE only)."),
    ] = None,
    push_dir: PushDir = "serving_model",
) -> None:
    """Read the digits in pictures with the last pushed model."""
    if save_annotated is not None and len(files) > 1:
        raise typer.BadParameter("takes one FILE; run it once for each.", param_hint="--save-annotated")
    from serving_bot.reading.annotation import annotate
    from serving_bot.reading.decoding import UnreadablePictureError

    reader, *_ = _load_reader(push_dir)
    answers: list[dict[str, object]] = []
    failed = False
    for file in files:
        try:
            reading = reader.read(file.read_bytes())
        except (UnreadablePictureError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            typer.echo(f"Error: {file}: {reason}", err=True)
            failed = True
            continue
        if as_json:
            answers.append({"file": str(file), **reading.as_json()})
        else:
            typer.echo(f"{file}: {reading.describe()}")
        if save_annotated is not None:
            try:
                save_annotated.write_bytes(annotate(reading))
            except OSError as error:
                typer.echo(f"Error: {save_annotated}: {error.strerror}", err=True)
                failed = True
    if as_json:
        typer.echo(json.dumps(answers, indent=2))
    if failed:
        raise typer.Exit(1)


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

    from serving_bot.reading import evaluation

    try:
        pictures = evaluation.collect(folder)
    except evaluation.NoPicturesError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    reader, model, export_id = _load_reader(push_dir)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Reading", total=len(pictures))
        outcomes = evaluation.evaluate(
            reader, pictures, keep_pictures=report is not None, progress=lambda: progress.advance(task)
        )
    if report is not None:
        try:
            report.write_text(evaluation.render_report(folder, outcomes, model), encoding="utf-8")
        except OSError as error:
            typer.echo(f"Error: {report}: {error.strerror}", err=True)
            raise typer.Exit(1) from error
    summary = evaluation.summarise(outcomes)
    typer.echo(
        json.dumps({"model": model, "export_id": export_id, **summary}, indent=2)
        if as_json
        else evaluation.describe(summary, model)
    )


@contextmanager
def _native_notes_hidden() -> Iterator[None]:
    """Keeps what native code writes to standard error off the screen: LiteRT greets each start with its delegate."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _load_reader(push_dir: str) -> tuple[Reader, str, str | None]:
    """The reader of the newest pushed version, its name for people and its export's id.

    Exits with 1 and a sentence where there is none.
    """
    from serving_bot.reading.classifier import BrokenModelError, Classifier
    from serving_bot.reading.reader import Reader
    from serving_bot.versions.folder import NoPushedModelError, newest_version

    try:
        version = newest_version(push_dir)
        with _native_notes_hidden():
            classifier = Classifier.load(version)
    except (NoPushedModelError, BrokenModelError) as error:
        stop(str(error))
    except OSError as error:
        stop(f"{push_dir} cannot be read: {error.strerror or error}.")
    except Exception as error:
        if "://" not in push_dir:
            raise
        # A store's client raises what it likes where there is no login or no such bucket.
        stop(f"{push_dir} cannot be read: {error}. Check the address and the login (docs/bot.md).")
    name = classifier.card.get("display_name", classifier.card.get("model", "model"))
    return Reader(classifier), f"{name}, version {PurePath(version).name}", classifier.card.get("export_id")
