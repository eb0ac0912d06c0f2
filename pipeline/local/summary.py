"""What a run came to: read from ML Metadata, and noted there for whoever asks later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from absl import logging
from ml_metadata.metadata_store import MetadataStore
from tfx.orchestration import metadata

from components.evaluation.result import EvaluationResult, read_evaluation
from pipeline.config import PipelineConfig
from pipeline.history.records import ERROR_PROPERTY, FIGURES_PROPERTY, HistoryError, read_run


@dataclass(frozen=True)
class Summary:
    """A finished run.

    Attributes:
        run_id: its name in ML Metadata.
        evaluation: figures and verdict on the split `test`.
        split_sizes: examples in each split.
        data_source: where the data came from: mirror, bundled or user.
        servable: whether ServingCheck found that the bot can serve the export.
        serving_problem: what it found otherwise, or None.
        version: the pushed version, None where nothing was pushed.
        path: its folder.
        seconds: time of each component that ran, by id; a cached one is not in it.
        report: the page about the run, None where none was written.
    """

    run_id: str
    evaluation: EvaluationResult
    split_sizes: dict[str, int]
    data_source: str
    servable: bool
    serving_problem: str | None
    version: str | None
    path: str | None
    seconds: dict[str, float]
    report: str | None = None


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


def record_evaluation(config: PipelineConfig, run_id: str) -> None:
    """Keeps the figures with the ModelEvaluation artifact: TFMA's files cannot be read without TensorFlow.

    Right behind the Evaluator, because what reads the artifact is cached under all of its properties.
    """
    run = read_run(config.state_folder, run_id)
    evaluation = run.model_evaluation
    if evaluation is None or run.figures is not None:
        return
    figures = asdict(read_evaluation(evaluation.uri))
    del figures["misread"]  # of a hopeless model that is nearly every example
    store = _open(config)
    (artifact,) = store.get_artifacts_by_id([evaluation.id])
    artifact.custom_properties[FIGURES_PROPERTY].string_value = json.dumps(figures)
    store.put_artifacts([artifact])


def summarise(config: PipelineConfig, run_id: str) -> Summary:
    """Collects the outputs of a finished run."""
    run = read_run(config.state_folder, run_id)
    examples, evaluation = run.examples, run.model_evaluation
    assert examples is not None  # the run is finished
    assert evaluation is not None
    return Summary(
        run_id=run_id,
        evaluation=read_evaluation(evaluation.uri),
        split_sizes=json.loads(str(examples.properties["split_sizes"])),
        data_source=str(examples.properties["source"]),
        servable=run.serving_problem is None,
        serving_problem=run.serving_problem,
        version=str(run.version) if run.pushed_model else None,
        path=str(run.pushed_model.properties["pushed_destination"]) if run.pushed_model else None,
        seconds={step.name: step.seconds for step in run.steps if step.state == "done" and step.seconds is not None},
    )


def _open(config: PipelineConfig) -> MetadataStore:
    return MetadataStore(metadata.sqlite_metadata_connection_config(config.metadata_path))
