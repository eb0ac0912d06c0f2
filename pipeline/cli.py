"""The `digits` command. Thin: each command builds a configuration and calls one function, imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from models.registry import ARCHITECTURES

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def digits() -> None:
    """Train, compare and push models of handwritten digits, and serve them in a Telegram bot."""


@app.command()
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
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


def _known_model(name: str) -> str:
    if name not in ARCHITECTURES:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(ARCHITECTURES)}.")
    return name


@app.command()
def run(
    model: Annotated[
        str,
        typer.Option(
            envvar="DIGITS_MODEL", callback=_known_model, metavar="|".join(ARCHITECTURES), help="Network to train."
        ),
    ] = "my_model",
    epochs: Annotated[int, typer.Option(min=1, envvar="DIGITS_EPOCHS", help="Passes over the training images.")] = 3,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, envvar="DIGITS_BATCH_SIZE", help="Images per step.", show_default="the model's"),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            min=1e-9,
            envvar="DIGITS_LEARNING_RATE",
            help="Peak of the schedule, for Adam.",
            show_default="the model's",
        ),
    ] = None,
    augment: Annotated[
        bool | None,
        typer.Option(
            envvar="DIGITS_AUGMENT",
            help="Vary slant, size, place and stroke width of training images.",
            show_default="the model's",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, envvar="DIGITS_SEED", help="Of weights, order and variation.")] = 1,
    min_accuracy: Annotated[
        float, typer.Option(min=0, max=1, envvar="DIGITS_MIN_ACCURACY", help="Least test accuracy to be blessed.")
    ] = 0.97,
    min_digit_accuracy: Annotated[
        float,
        typer.Option(min=0, max=1, envvar="DIGITS_MIN_DIGIT_ACCURACY", help="The same for each digit."),
    ] = 0.90,
    max_drop: Annotated[
        float,
        typer.Option(min=0, max=1, envvar="DIGITS_MAX_DROP", help="How far below the baseline it may lie."),
    ] = 0.002,
    baseline: Annotated[
        Literal["latest", "none"],
        typer.Option(envvar="DIGITS_BASELINE", help="Compare with the latest earlier blessed model, or none."),
    ] = "latest",
    root: Annotated[Path, typer.Option(envvar="DIGITS_ROOT", help="Folder for artifacts, metadata and logs.")] = Path(
        "runs"
    ),
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="DIGITS_DATA", help="Folder of the four IDX files.", show_default="ROOT/data, made if missing"
        ),
    ] = None,
    push_dir: Annotated[
        Path, typer.Option(envvar="DIGITS_PUSH_DIR", help="Folder that blessed models are pushed to.")
    ] = Path("serving_model"),
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every component anew.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the libraries print, too.")] = False,
) -> None:
    """Run the whole pipeline: data, statistics, training, evaluation and, if the model is good enough, a push.

    Exit codes: 0 pushed, 1 failed, 2 wrong usage, 3 not blessed. An interrupted run goes on with the same command.
    """
    from rich.console import Console

    from models.parameters import TrainingParameters, source_fingerprint
    from pipeline import mnist
    from pipeline.config import PipelineConfig, Thresholds
    from pipeline.supervisor import run_locally

    console = Console(highlight=False)
    recipe = ARCHITECTURES[model]
    folder = data or root / "data"
    config = PipelineConfig(
        data=str(folder.absolute()),
        root=str(root.absolute()),
        push_dir=str(push_dir.absolute()),
        training=TrainingParameters(
            model=model,
            epochs=epochs,
            batch_size=batch_size or recipe.batch_size,
            learning_rate=learning_rate or recipe.learning_rate,
            augment=recipe.augment if augment is None else augment,
            seed=seed,
            source=source_fingerprint(),
        ),
        thresholds=Thresholds(min_accuracy, min_digit_accuracy, max_drop),
        baseline=baseline,
        enable_cache=not no_cache,
    )
    try:
        mnist.fetch_if_absent(folder, console)
    except mnist.DataError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(run_locally(config, console, verbose=verbose))


def main() -> None:
    """Entry point of the `digits` command."""
    app()


if __name__ == "__main__":
    main()
