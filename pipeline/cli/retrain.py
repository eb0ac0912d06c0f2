"""`digits retrain`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer

from models.recipe import Execution, Recipe, Training
from pipeline.beam_options import local_beam_args
from pipeline.cli import options
from pipeline.cli.derived import Given, with_settings
from pipeline.cli.run import Places, Users, start
from pipeline.config import Thresholds, state_folder


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+)([hd])", text)
    if match is None:
        raise typer.BadParameter(f"a time must be a whole number and d (days) or h (hours), such as 7d, not {text!r}.")
    return timedelta(**{{"h": "hours", "d": "days"}[match[2]]: int(match[1])})


@with_settings(Training, Recipe, Execution, Thresholds)
def retrain(
    given: Given,
    feedback: options.NeededFeedback = "feedback",
    min_new: Annotated[
        int, typer.Option(min=1, help="Run if at least this many accepted contributions are new.")
    ] = 200,
    every: Annotated[
        timedelta,
        typer.Option(
            parser=_duration,
            metavar="TIME",
            help="Run if the last run is this old and any contribution is new: 7d, 12h.",
        ),
    ] = "7d",  # type: ignore[assignment]
    max_wrong: Annotated[
        float,
        typer.Option(min=0, max=1, help="Run if more than this share of the last 100 judged digits was wrong."),
    ] = 0.2,
    max_drift: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Run if 30 or more new digits differ by more than this, in labels, ink or slant, from those that were "
            "trained on.",
        ),
    ] = 0.3,
    trust: options.Trust = 0,
    max_users_drop: options.MaxUsersDrop = 0.0,
    model: options.Model = options.DEFAULT_MODEL,
    root: options.ArtifactRoot = "runs",
    data: options.Data = None,
    push_dir: options.PushDir = "serving_model",
    verbose: options.Verbose = False,
) -> None:
    """Run the pipeline on users' contributions if enough are new; for cron and timers.

    If no run is due, it says why and ends with 0. Otherwise it works like `digits run --feedback`, with the same exit
    codes.
    """
    from pipeline.history.reading import read_runs
    from pipeline.history.records import HistoryError
    from pipeline.retraining import decide
    from serving_bot.feedback.store import Store

    try:
        runs = read_runs(state_folder(root))
    except HistoryError:  # no run yet
        runs = []
    entries = Store(options.absolute(feedback)).entries()
    decision = decide(
        entries, runs, trust=trust, min_new=min_new, every=every, max_wrong=max_wrong, max_drift=max_drift
    )
    typer.echo(f"{'Training' if decision.due else 'Not training'}: {decision.reason}.")
    if decision.due:
        places, users = Places(root, data, push_dir), Users(feedback, trust, max_users_drop)
        start(given, places, users, model, "latest", beam_args=local_beam_args(), enable_cache=True, verbose=verbose)
