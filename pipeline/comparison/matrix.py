"""`digits compare`: runs the pipeline for each network, number of epochs and seed, and reports on all runs.

Each combination is a separate run in the same root, so TFX's cache shares the data components and earlier trainings. A
comparison has no thresholds (docs/adr/0005): its figures do not depend on its order, it pushes nothing, and it blesses
nothing that could become a later run's baseline.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.recipe import Training
from models.registry import name_training
from pipeline.comparison.view import ComparisonView
from pipeline.config import PipelineConfig
from pipeline.history.reading import read_runs
from pipeline.history.records import HistoryError, Run
from pipeline.history.verdict import worst_digit
from pipeline.local.runner import FAILED, INTERRUPTED, explain, follow
from pipeline.report.worker import write_report_in_child

COMPARED = 0


def combine(configs: Iterable[PipelineConfig]) -> dict[str, PipelineConfig]:
    """The runs of a comparison, without thresholds, by label; labels include the seed if there are several."""
    configs = list(configs)
    seeds = {config.training.seed for config in configs}

    def label(training: Training) -> str:
        name = name_training(training.model, training.epochs)
        return f"{name}, seed {training.seed}" if len(seeds) > 1 else name

    return {label(config.training): config for config in configs}


def compare_locally(
    configs: Mapping[str, PipelineConfig],
    console: Console,
    output: Path,
    *,
    photos: Sequence[Path],
    command: str,
    prepare: Callable[[], object] = lambda: None,
    verbose: bool = False,
) -> int:
    """Runs the combinations one after the other, live on a terminal, and writes the report.

    If a combination fails, the others still run, unless it fails before its training, where the others would fail too.
    The report covers the combinations that succeeded.

    Args:
        configs: what to run, in one root, by label.
        output: folder for the report.
        photos: files with the output of `digits evaluate-photos --json`.
        prepare: called before the first run; an exception ends the comparison.

    Returns:
        The exit code: 0 compared, 1 a run failed, 130 interrupted.

    Raises:
        UserError: a run cannot start, or the report cannot be written.
    """
    root = next(iter(configs.values())).state_folder
    run_ids: list[str] = []
    status = COMPARED
    with ComparisonView(
        console,
        {label: config.training for label, config in configs.items()},
        seconds_per_epoch=seconds_per_epoch(_history(root)),
        trained=[label for label, config in configs.items() if is_trained(config, _history(root))],
    ) as view:
        for number, (label, config) in enumerate(configs.items()):
            run_view = view.begin(label)
            before = prepare if number == 0 else lambda: None
            outcome = follow(config, run_view, prepare=before, verbose=verbose)
            interrupted = outcome.status == INTERRUPTED
            view.end(label, outcome.run, interrupted=interrupted)
            if outcome.run:
                run_ids.append(outcome.run.run_id)
                continue
            ends = interrupted or not run_view.trainer_started
            if ends:
                view.close()
            elif console.is_terminal:
                console.out(f"{label}:", highlight=False)
            status = explain(outcome, console)
            if ends:
                return status
    if not run_ids:
        return FAILED
    try:
        with console.status("Writing the report ..."):
            page = write_report_in_child(root, run_ids, output, photos=photos, command=command)
    except KeyboardInterrupt:
        console.out("Interrupted. The models are kept: the same command writes the report.", highlight=False)
        return INTERRUPTED
    console.print("", describe_report(json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))), "", sep="\n")
    console.out(f"Report: {page}", highlight=False)
    return status


def describe_report(report: dict[str, Any]) -> RenderableType:
    """The final table of a comparison and its conclusions, from report.json's content."""
    table = Table(box=None, pad_edge=False)
    for name in ("Model", "Accuracy", "95 % interval", "Predecessor's", "Worst digit"):
        table.add_column(name, justify="left" if name == "Model" else "right", no_wrap=name != "Model")
    for model in report["models"]:
        evaluation, published = model["evaluation"], model["published_accuracy"]
        worst, its_accuracy = worst_digit(evaluation)
        table.add_row(
            model["label"],
            f"{evaluation['accuracy']:.2%}",
            " to ".join(f"{end:.2%}" for end in model["interval"]),
            f"{published:.2%}" if published else "–",
            f"{worst}: {its_accuracy:.2%}",
        )
    return Group(table, "", *map(Text, report["conclusions"])) if report["conclusions"] else table


def is_trained(config: PipelineConfig, runs: Iterable[Run]) -> bool:
    """Whether an earlier run trained the same model, so the cache has it if the data is the same."""
    wanted = config.training.to_config()
    return config.enable_cache and any(run.model is not None and run.parameters == wanted for run in runs)


def seconds_per_epoch(runs: Iterable[Run]) -> dict[str, float]:
    """Seconds per epoch in the newest training of each network, for a forecast."""
    found: dict[str, float] = {}
    for run in runs:
        if run.training_seconds:
            found.setdefault(run.parameters["model"], run.training_seconds / run.parameters["epochs"])
    return found


def _history(root: Path) -> list[Run]:
    try:
        return read_runs(root)
    except HistoryError:
        return []  # no run yet, or a broken database, which the first run will report
