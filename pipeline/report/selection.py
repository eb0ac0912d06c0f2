"""Which runs a report is about. Loads no TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.history.reading import find_run, read_runs
from pipeline.history.records import Run
from pipeline.report import ReportError


def select_runs(root: Path, names: Sequence[str]) -> list[Run]:
    """The runs with these names, or without any the newest evaluated run of each recipe and seed.

    Names are beginnings of run ids, or "latest". A recipe is what a training is told, the source code left out: of an
    edited one only the newest run counts.

    Raises:
        HistoryError: the history cannot be read, or has no such run.
        ReportError: a run has no evaluation, or none has.
    """
    runs = read_runs(root)
    if names:
        chosen = [find_run(runs, name) for name in names]
        for run in chosen:
            if not _is_evaluated(run):
                raise ReportError(
                    f"Run {run.run_id} has no evaluation: it ended before. `digits runs list` shows how runs ended."
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
