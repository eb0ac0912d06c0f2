"""`digits data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.extras import demand


def data(
    dest: Annotated[
        str, typer.Option(envvar="DIGITS_DATA", help="Folder for the four IDX files, or an address: gs://bucket/data.")
    ] = "runs/data",
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
    """Fetch and verify MNIST; does nothing if the folder is complete."""
    from rich.console import Console

    from pipeline.data import store

    if report:
        demand("tensorflow_data_validation")
    console = Console()
    if report and source == "auto":
        store.fetch_if_absent(dest, console)  # (a report can also be about a user's own files)
    else:
        store.fetch(dest, source, console)
    if report:
        from pipeline.data.statistics_page import write_report

        with store.local_copy(dest) as folder:
            write_report(folder, report, console, shown_as=dest)
