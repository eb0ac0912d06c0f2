"""What a run came to: read from ML Metadata, and noted there for whoever asks later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from absl import logging
from ml_metadata.metadata_store import MetadataStore
from tfx.orchestration import metadata

from components.evaluation.result import EvaluationResult, read_evaluation
from pipeline.config import PipelineConfig
from pipeline.history.reading import read_run
from pipeline.history.records import ERROR_PROPERTY, FIGURES_PROPERTY, NOTED_COMMAND, NOTED_SECONDS, HistoryError


@dataclass(frozen=True)
class Summary:
    """A finished run."""

    run_id: str  # its name in ML Metadata
    evaluation: dict[str, Any]  # figures and verdict on the split `test`, as EvaluationResult.figures has them
    split_sizes: dict[str, int]  # examples in each split
    data_source: str  # where the data came from: mirror, bundled or user
    servable: bool  # whether ServingCheck found that the bot can serve the export
    serving_problem: str | None  # what it found otherwise, or None
    picture_misses: list[str]  # which thresholds on made pictures were missed, a sentence each
    version: str | None  # the pushed version, None where nothing was pushed
    path: str | None  # its folder
    seconds: dict[str, float]  # time of each component that ran, by id; a cached one is not in it
    report: str | None = None  # the page about the run, None where none was written


def record_error(config: PipelineConfig, run_id: str, node: str, reason: str) -> None:
    """Keeps with the execution why a node failed, which TFX does not."""
    try:
        step = read_run(config.state_folder, run_id).step(node)
        if step is not None:  # it may have failed before it was registered
            store = _open(config)
            (execution,) = store.get_executions_by_id([step.execution])
            execution.custom_properties[ERROR_PROPERTY].string_value = reason
            store.put_executions([execution])
    except (HistoryError, RuntimeError):  # what stopped the node may have stopped the database: a full disk
        logging.warning("Cannot note in ML Metadata why %s failed.", node, exc_info=True)


def record_run(config: PipelineConfig, run_id: str, seconds: float | None = None) -> None:
    """Keeps with a run what was asked for, the command and the thresholds, and once it has ended how long it took."""
    store = _open(config)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if config.command:
        context.custom_properties[NOTED_COMMAND].string_value = config.command
    for name, value in (asdict(config.thresholds) if config.thresholds else {}).items():
        context.custom_properties[name].double_value = value
    if seconds is not None:
        context.custom_properties[NOTED_SECONDS].double_value = seconds
    store.put_contexts([context])


def record_evaluation(config: PipelineConfig, run_id: str) -> EvaluationResult:
    """Reads an evaluation, and keeps its figures with the artifact: TFMA's files cannot be read without TensorFlow.

    Right behind the Evaluator, because what reads the artifact is cached under all of its properties.
    """
    run = read_run(config.state_folder, run_id)
    made = run.model_evaluation
    assert made is not None  # the Evaluator has run
    evaluation = read_evaluation(made.uri)
    if run.figures is None:
        store = _open(config)
        (artifact,) = store.get_artifacts_by_id([made.id])
        artifact.custom_properties[FIGURES_PROPERTY].string_value = json.dumps(evaluation.figures())
        store.put_artifacts([artifact])
    return evaluation


def summarise(config: PipelineConfig, run_id: str, evaluation: EvaluationResult) -> Summary:
    """Collects the outputs of a finished run, with its evaluation."""
    run = read_run(config.state_folder, run_id)
    examples = run.examples
    assert examples is not None  # the run is finished
    return Summary(
        run_id=run_id,
        evaluation=evaluation.figures(),
        split_sizes=json.loads(str(examples.properties["split_sizes"])),
        data_source=str(examples.properties["source"]),
        servable=run.servable is not False,
        serving_problem=run.serving_problem,
        picture_misses=run.picture_misses,
        version=str(run.version) if run.pushed_model else None,
        path=str(run.pushed_model.properties["pushed_destination"]) if run.pushed_model else None,
        seconds={step.name: step.seconds for step in run.steps if step.state == "done" and step.seconds is not None},
    )


def _open(config: PipelineConfig) -> MetadataStore:
    return MetadataStore(metadata.sqlite_metadata_connection_config(config.metadata_path))
