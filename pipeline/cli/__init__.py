"""The `digits` command. Each command builds a configuration and calls one function, imported when it runs."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from pipeline.cli.bot import bot
from pipeline.cli.compare import compare, report
from pipeline.cli.data import data
from pipeline.cli.evaluate_photos import evaluate_photos
from pipeline.cli.export import export
from pipeline.cli.extras import Commands
from pipeline.cli.feedback import feedback
from pipeline.cli.models import models
from pipeline.cli.options import openable, present
from pipeline.cli.predict import predict
from pipeline.cli.retrain import retrain
from pipeline.cli.run import run
from pipeline.cli.runs import lineage, runs
from pipeline.cli.serve import serve
from pipeline.cli.tensorboard import tensorboard
from pipeline.cli.vertex import app as vertex

app = typer.Typer(cls=Commands, invoke_without_command=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"digits {version('digits-pipeline')}")
        raise typer.Exit


@app.callback()
def digits(
    context: typer.Context,
    root: Annotated[str, typer.Option(envvar="DIGITS_ROOT", hidden=True)] = "runs",
    push_dir: Annotated[str, typer.Option(envvar="DIGITS_PUSH_DIR", hidden=True)] = "serving_model",
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),
) -> None:
    """Train, compare and push models of handwritten digits, and read people's photos with them."""
    if context.invoked_subcommand is None:
        from pipeline.cli.next_steps import describe_next_steps

        for part in describe_next_steps(root, openable(push_dir)):
            present(part)


TRAIN, READ, LOOK_BACK = "Train and compare", "Read digits", "Runs and models"

for panel, command, example in (
    (TRAIN, run, "digits run --model lenet --epochs 10"),
    (TRAIN, retrain, "digits retrain --feedback feedback --min-new 200 --every 7d"),
    (TRAIN, compare, "digits compare --models lenet,my_model --epochs 3,10"),
    (TRAIN, report, "digits report --output build/report"),
    (TRAIN, data, "digits data --report build/data.html"),
    (READ, predict, "digits predict photo.jpg --save-annotated seen.png"),
    (READ, serve, "digits serve --open"),
    (READ, bot, "TELEGRAM_BOT_TOKEN=... digits bot"),
    (READ, evaluate_photos, "digits evaluate-photos my_photos --report mistakes.html"),
    (LOOK_BACK, lineage, "digits lineage 1763800000"),
    (LOOK_BACK, tensorboard, "digits tensorboard"),
):
    app.command(rich_help_panel=panel, epilog=f"Example: {example}")(command)
app.add_typer(export, name="export", rich_help_panel=READ)
app.add_typer(runs, name="runs", rich_help_panel=LOOK_BACK)
app.add_typer(feedback, name="feedback", rich_help_panel=READ)
app.add_typer(models, name="models", rich_help_panel=LOOK_BACK)
app.add_typer(vertex, name="vertex", rich_help_panel="Beyond this machine")


def main() -> None:
    """Entry point of the `digits` command."""
    app()
