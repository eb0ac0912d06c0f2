"""Selects the runs for a report. Does not load TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.history.reading import find_run, read_runs
from pipeline.history.records import Run
from pipeline.report import ReportError


def select_runs(root: Path, names: Sequence[str]) -> list[Run]:
    """The runs with these names; without names, the newest evaluated run of each recipe and seed.

    Names are beginnings of run ids, or "latest". A recipe here excludes the source code: after an edit, only the newest
    run counts.

    Raises:
        HistoryError: the history cannot be read, or has no such run.
        ReportError: a named run, or every run, has no evaluation.
    """
    runs = read_runs(root)
    if names:
        chosen = [find_run(runs, name) for name in names]
        for run in chosen:
            if not _is_evaluated(run):
                raise ReportError(
                    f"Run {run.run_id} ended before its evaluation. `digits runs list` shows how runs ended."
                )
        return chosen
    newest: dict[str, Run] = {}
    for run in runs:
        if _is_evaluated(run):
            recipe = {key: value for key, value in run.parameters.items() if key != "source"}
            newest.setdefault(json.dumps(recipe, sort_keys=True), run)
    if not newest:
        raise ReportError(f"No run in {root} has an evaluation yet. Make one with `digits run` or `digits compare`.")
    return list(newest.values())


def _is_evaluated(run: Run) -> bool:
    return None not in (run.examples, run.model, run.model_evaluation)
