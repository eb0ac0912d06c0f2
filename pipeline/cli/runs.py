"""`digits runs` and `digits lineage`: the history in ML Metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson, PushDir, Root, absolute, openable_if_given, present

runs = typer.Typer(no_args_is_help=True, help="Past runs: parameters, times, artifacts, verdicts.")

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run id or its beginning, or latest.")]


@runs.command("list")
def list_(root: Root = Path("runs"), as_json: AsJson = False) -> None:
    """List all runs, newest first."""
    from pipeline.history import reading, view

    found = reading.read_runs(root)
    present([view.run_as_json(run) for run in found] if as_json else view.list_runs(found))


@runs.command()
def show(run: RunName = "latest", root: Root = Path("runs"), as_json: AsJson = False) -> None:
    """Show a run: parameters, data, metrics, verdict with reasons, and its components' times and artifacts."""
    from pipeline.history import reading, view

    found = reading.read_runs(root)
    chosen = reading.find_run(found, run)
    present(view.run_as_json(chosen) if as_json else view.describe_run(chosen, found))


@runs.command()
def diff(first: RunName, second: RunName = "latest", root: Root = Path("runs"), as_json: AsJson = False) -> None:
    """Show how two runs differ: parameters, data, code, metrics, times."""
    from pipeline.history import reading, view

    found = reading.read_runs(root)
    one, other = reading.find_run(found, first), reading.find_run(found, second)
    present(view.diff_as_json(one, other) if as_json else view.diff_runs(one, other))


def lineage(
    version: Annotated[int, typer.Argument(help="A pushed version's number.")],
    root: Root = Path("runs"),
    push_dir: PushDir = "serving_model",
    feedback: Annotated[
        str | None,
        typer.Option(
            help="Feedback folder: also show contributors to the version who were forgotten since.",
            callback=openable_if_given,
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trace a pushed version back to its model, evaluation, transform graph, statistics, data and code."""
    from pipeline.history import lineage as tracing
    from pipeline.history import reading, view

    present_now = None
    if feedback is not None:
        from serving_bot.feedback.store import Store

        present_now = Store(feedback).contributors
    traced = tracing.trace(reading.read_runs(root), version, absolute(push_dir), present_now)
    present(view.lineage_as_json(traced) if as_json else view.describe_lineage(traced))
