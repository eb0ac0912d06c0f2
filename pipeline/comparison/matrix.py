"""`digits compare`: the pipeline for each network, number of epochs and seed, and one report on all of them.

Each combination is a run of its own in the same root, so the data components are shared and whatever is there already
is taken from TFX's cache. Nothing is demanded of the models (docs/adr/0005): a comparison's figures do not depend on
its order, it pushes nothing, and it blesses nothing that a later run would be measured against.
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
from pipeline.local.runner import FAILED, INTERRUPTED, explain, follow
from pipeline.report.worker import write_report_in_child

COMPARED = 0


def combine(configs: Iterable[PipelineConfig]) -> dict[str, PipelineConfig]:
    """The runs of a comparison, which have no thresholds, by name; it has the seed where there are several."""
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
    """Runs the combinations one after the other and writes the report on them.

    A combination that fails does not keep the others from being run, unless it fails before its training: the others
    would fail there too. The report is about those that did not fail. It is shown live on a terminal.

    Args:
        configs: what to run, in one root, by label.
        output: folder for the report.
        photos: files with the output of `digits evaluate-photos --json`.
        prepare: is called before the first run; what it raises ends the comparison.

    Returns:
        The exit code: 0 compared, 1 where a run failed, 130 interrupted.

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
            view.end(label, outcome.summary, interrupted=interrupted)
            if outcome.summary:
                run_ids.append(outcome.summary["run_id"])
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
        console.out("Interrupted. The same command writes the report: the models are kept.", highlight=False)
        return INTERRUPTED
    console.print("", describe_report(json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))), "", sep="\n")
    console.out(f"Report: {page}", highlight=False)
    return status


def describe_report(report: dict[str, Any]) -> RenderableType:
    """The table at the end of a comparison, and its conclusions, from what report.json holds."""
    table = Table(box=None, pad_edge=False)
    for name in ("Model", "Accuracy", "95 % interval", "Predecessor's", "Worst digit"):
        table.add_column(name, justify="left" if name == "Model" else "right", no_wrap=True)
    for model in report["models"]:
        evaluation, published = model["evaluation"], model["published_accuracy"]
        by_digit = evaluation["accuracy_by_digit"]
        worst = min(by_digit, key=by_digit.__getitem__)
        table.add_row(
            model["label"],
            f"{evaluation['accuracy']:.2%}",
            " to ".join(f"{end:.2%}" for end in model["interval"]),
            f"{published:.2%}" if published else "–",
            f"{worst}: {by_digit[worst]:.2%}",
        )
    return Group(table, "", *map(Text, report["conclusions"])) if report["conclusions"] else table


def is_trained(config: PipelineConfig, runs: Iterable[Run]) -> bool:
    """Whether an earlier run trained the very same, so that the cache will have it if the data are the same."""
    wanted = config.training.to_config()
    return config.enable_cache and any(run.model is not None and run.parameters == wanted for run in runs)


def seconds_per_epoch(runs: Iterable[Run]) -> dict[str, float]:
    """How long an epoch took in the newest training of each network, for a forecast."""
    found: dict[str, float] = {}
    for run in runs:
        trainer = run.step("Trainer")
        if trainer and trainer.state == "done" and trainer.seconds:
            found.setdefault(run.parameters["model"], trainer.seconds / run.parameters["epochs"])
    return found


def _history(root: Path) -> list[Run]:
    try:
        return read_runs(root)
    except HistoryError:
        return []  # the first run there, or a database that the first run will complain of
