"""Records in ML Metadata what TFX does not: a run's command and figures, and why a component failed."""

from __future__ import annotations

import json
from dataclasses import asdict

from absl import logging
from ml_metadata.metadata_store import MetadataStore
from tfx.orchestration import metadata

from components.evaluation.result import EvaluationResult, read_evaluation
from pipeline.config import PipelineConfig
from pipeline.history.reading import read_run
from pipeline.history.records import ERROR_PROPERTY, FIGURES_PROPERTY, NOTED_COMMAND, NOTED_SECONDS, HistoryError


def record_error(config: PipelineConfig, run_id: str, node: str, reason: str) -> None:
    """Records with the execution why a node failed, which TFX does not."""
    try:
        step = read_run(config.state_folder, run_id).step(node)
        if step is not None:  # it may have failed before its registration
            store = _open(config)
            (execution,) = store.get_executions_by_id([step.execution])
            execution.custom_properties[ERROR_PROPERTY].string_value = reason
            store.put_executions([execution])
    except (HistoryError, RuntimeError):  # the same cause, such as a full disk, may affect the database
        logging.warning("Cannot record in ML Metadata why %s failed.", node, exc_info=True)


def record_run(config: PipelineConfig, run_id: str, seconds: float | None = None) -> None:
    """Records with a run its command and thresholds, and after its end its duration."""
    store = _open(config)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if config.command:
        context.custom_properties[NOTED_COMMAND].string_value = config.command
    for name, value in (asdict(config.thresholds) if config.thresholds else {}).items():
        context.custom_properties[name].double_value = value
    if seconds is not None:
        context.custom_properties[NOTED_SECONDS].double_value = seconds
    store.put_contexts([context])


def record_evaluation(config: PipelineConfig, run_id: str, of_users: bool = False) -> EvaluationResult:
    """Reads an evaluation, on the split `test` or `of_users`, and records its figures with the artifact.

    TFMA's files cannot be read without TensorFlow.

    Call it right after the Evaluator: the cache keys of components that read the artifact include its properties.
    """
    run = read_run(config.state_folder, run_id)
    made = run.users_evaluation if of_users else run.model_evaluation
    assert made is not None  # the Evaluator has run
    evaluation = read_evaluation(made.uri)
    if FIGURES_PROPERTY not in made.properties:
        store = _open(config)
        (artifact,) = store.get_artifacts_by_id([made.id])
        artifact.custom_properties[FIGURES_PROPERTY].string_value = json.dumps(evaluation.figures())
        store.put_artifacts([artifact])
    return evaluation


def _open(config: PipelineConfig) -> MetadataStore:
    return MetadataStore(metadata.sqlite_metadata_connection_config(config.metadata_path))
