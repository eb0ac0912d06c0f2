"""The `digits` command. Thin: each command builds a configuration and calls one function, imported when it runs."""

from __future__ import annotations

from importlib.metadata import version

import typer

from pipeline.cli.bot import bot
from pipeline.cli.compare import compare, report
from pipeline.cli.data import data
from pipeline.cli.evaluate_photos import evaluate_photos
from pipeline.cli.extras import Commands
from pipeline.cli.models import models
from pipeline.cli.predict import predict
from pipeline.cli.run import run
from pipeline.cli.runs import lineage, runs
from pipeline.cli.serve import serve
from pipeline.cli.tensorboard import tensorboard
from pipeline.cli.vertex import app as vertex

app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"digits {version('digits-pipeline')}")
        raise typer.Exit


@app.callback()
def digits(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),
) -> None:
    """Train, compare and push models of handwritten digits, and serve them in a Telegram bot."""


for command in (data, run, compare, report, predict, evaluate_photos, serve, bot, lineage, tensorboard):
    app.command()(command)
app.add_typer(runs, name="runs")
app.add_typer(models, name="models")
app.add_typer(vertex, name="vertex")


def main() -> None:
    """Entry point of the `digits` command."""
    app()
