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
        raise typer.BadParameter(f"a time is a whole number and d (days) or h (hours), such as 7d, not {text!r}.")
    return timedelta(**{{"h": "hours", "d": "days"}[match[2]]: int(match[1])})


@with_settings(Training, Recipe, Execution, Thresholds)
def retrain(
    given: Given,
    feedback: options.NeededFeedback = "feedback",
    min_new: Annotated[int, typer.Option(min=1, help="Run where so many accepted contributions are new.")] = 200,
    every: Annotated[
        timedelta,
        typer.Option(
            parser=_duration, metavar="TIME", help="Run where the last one is so old and anything is new: 7d, 12h."
        ),
    ] = "7d",  # type: ignore[assignment]
    max_wrong: Annotated[
        float,
        typer.Option(min=0, max=1, help="Run where more of the last 100 digits that people judged were read wrongly."),
    ] = 0.2,
    trust: options.Trust = 0,
    max_users_drop: options.MaxUsersDrop = 0.0,
    model: options.Model = options.DEFAULT_MODEL,
    root: options.ArtifactRoot = "runs",
    data: options.Data = None,
    push_dir: options.PushDir = "serving_model",
    verbose: options.Verbose = False,
) -> None:
    """Run the pipeline on what the bot's users contributed, if there is enough new; for cron and timers.

    Says why not where nothing is due, and ends with 0. Otherwise as `digits run --feedback`, exit codes included.
    """
    from pipeline.history.reading import read_runs
    from pipeline.history.records import HistoryError
    from pipeline.retraining import decide
    from serving_bot.feedback.store import Store

    try:
        runs = read_runs(state_folder(root))
    except HistoryError:  # nothing was run yet
        runs = []
    entries = Store(options.absolute(feedback)).entries()
    decision = decide(entries, runs, trust=trust, min_new=min_new, every=every, max_wrong=max_wrong)
    typer.echo(f"{'Training' if decision.due else 'Not training'}: {decision.reason}.")
    if decision.due:
        places, users = Places(root, data, push_dir), Users(feedback, trust, max_users_drop)
        start(given, places, users, model, "latest", beam_args=local_beam_args(), enable_cache=True, verbose=verbose)
