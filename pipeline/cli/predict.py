"""`digits predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import PushDir


def predict(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures: JPEG, PNG, WebP, GIF, BMP, HEIC.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answers as JSON; boxes are in pixels of the upright picture.")
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
    from pipeline.cli.pushed_model import load_classifier
    from serving_bot.reading.annotation import annotate
    from serving_bot.reading.decoding import UnreadablePictureError
    from serving_bot.reading.reader import Reader

    reader = Reader(load_classifier(push_dir)[0])
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
