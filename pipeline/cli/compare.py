"""`digits compare` and `digits report`: models side by side."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from models.recipe import Execution, Recipe, Training
from models.registry import ARCHITECTURES
from pipeline.cli import options
from pipeline.cli.derived import Given, with_settings
from pipeline.cli.extras import demand
from pipeline.cli.options import absolute, given_command

Photos = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Output of `digits evaluate-photos DIR --json` for one of the models; repeatable.",
        show_default=False,
    ),
]


def _models(text: str) -> str:
    unknown = [name for name in _split(text) if name not in ARCHITECTURES]
    if unknown or not _split(text):
        raise typer.BadParameter(f"{text!r} must be a comma-separated list of {', '.join(ARCHITECTURES)}.")
    return text


def _epochs(text: str) -> str:
    if not _split(text) or not all(name.isascii() and name.isdigit() and int(name) for name in _split(text)):
        raise typer.BadParameter(f"{text!r} must be a comma-separated list of numbers, 1 or more each.")
    return text


def _split(text: str) -> list[str]:
    """The comma-separated parts, without duplicates."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


@with_settings(Recipe, Execution)
def compare(
    given: Given,
    models: Annotated[str, typer.Option(callback=_models, metavar="NAME,NAME", help="Networks to train.")] = ",".join(
        ARCHITECTURES
    ),
    epochs: Annotated[
        str, typer.Option(callback=_epochs, metavar="N,N", help="Passes over the training images.")
    ] = "10,40",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds to train each with: 1 to N.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder for the report.", show_default="ROOT/reports/comparison"),
    ] = None,
    photos: Photos = None,
    root: options.ArtifactRoot = "runs",
    data: options.Data = None,
    verbose: options.Verbose = False,
) -> None:
    """Train each network for each number of epochs and report on all of them.

    Models that were trained before come from the cache; after an interruption the same command resumes. A comparison
    has no thresholds and pushes nothing: the bot keeps serving its current version (`digits run` pushes).

    Exit codes: 0 compared, 1 a run or the report failed, 2 wrong usage.
    """
    from rich.console import Console

    from pipeline.comparison.matrix import combine, compare_locally
    from pipeline.config import REPORTS_FOLDER, PipelineConfig, state_folder
    from pipeline.data import store

    demand("tfx")
    console = Console(highlight=False)
    folder = data or f"{root.rstrip('/')}/data"
    configs = [
        PipelineConfig(
            data=absolute(folder),
            root=absolute(root.rstrip("/") or "/"),
            push_dir="",
            training=Training.choose(model, {**given, "epochs": int(number), "seed": seed}),
            thresholds=None,
            baseline="none",
            command=given_command(),
        )
        for model, number, seed in product(_split(models), _split(epochs), range(1, seeds + 1))
    ]
    status = compare_locally(
        combine(configs),
        console,
        output or state_folder(root) / REPORTS_FOLDER / "comparison",
        photos=photos or [],
        command=given_command(),
        prepare=lambda: store.fetch_if_absent(folder, console),
        verbose=verbose,
    )
    raise typer.Exit(status)


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Run ids (or their beginnings), or latest. Default: the newest evaluated run of each recipe and seed.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder for the report.", show_default="ROOT/reports/RUN or comparison"),
    ] = None,
    photos: Photos = None,
    root: options.ArtifactRoot = "runs",
) -> None:
    """Report on finished runs: a self-contained HTML page, Markdown, and JSON."""
    from rich.console import Console

    from pipeline.config import REPORTS_FOLDER, state_folder
    from pipeline.report.selection import select_runs
    from pipeline.report.worker import write_report_in_child

    demand("tfx")
    console = Console(highlight=False)
    state = state_folder(root)
    run_ids = [run.run_id for run in select_runs(state, runs or [])]
    folder = output or state / REPORTS_FOLDER / (run_ids[0] if len(run_ids) == 1 else "comparison")
    with console.status("Writing the report ..."):
        page = write_report_in_child(state, run_ids, folder, photos=photos or [], command=given_command())
    console.out(f"{page}: written, {len(run_ids)} run" + "s" * (len(run_ids) > 1) + ". Open it in a browser.")
