"""What a run came to, read from ML Metadata and the Evaluator's files."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from ml_metadata import proto
from ml_metadata.metadata_store import MetadataStore
from tfx.dsl.io import fileio
from tfx.orchestration import metadata

from components.evaluation_result import EvaluationResult, read_evaluation
from pipeline.config import PIPELINE_NAME, PipelineConfig


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


def node_state(metadata_path: str, run_id: str, node: str) -> str:
    """How a node of a run ended: "done", "cached" or "failed"."""
    execution = _executions(_open(metadata_path), run_id)[node]
    names = {
        proto.Execution.COMPLETE: "done",
        proto.Execution.CACHED: "cached",
    }
    return names.get(execution.last_known_state, "failed")


def summarise(config: PipelineConfig, run_id: str) -> Summary:
    """Collects the outputs of a finished run."""
    store = _open(config.metadata_path)
    executions = _executions(store, run_id)
    artifacts = _outputs(store, executions)
    examples, pushed = artifacts["MnistExampleGen", "examples"], artifacts["VersionedPusher", "pushed_model"]
    infra = artifacts["ServingCheck", "blessing"]
    was_pushed = pushed.custom_properties["pushed"].int_value == 1
    return Summary(
        run_id=run_id,
        evaluation=read_evaluation(artifacts["Evaluator", "evaluation"].uri),
        split_sizes=json.loads(examples.custom_properties["split_sizes"].string_value),
        data_source=examples.custom_properties["source"].string_value,
        servable=infra.custom_properties["blessed"].int_value == 1,
        serving_problem=_read_json(os.path.join(infra.uri, "report.json"))["problem"],
        version=pushed.custom_properties["pushed_version"].string_value if was_pushed else None,
        path=pushed.custom_properties["pushed_destination"].string_value if was_pushed else None,
        seconds={
            node: (execution.last_update_time_since_epoch - execution.create_time_since_epoch) / 1000
            for node, execution in executions.items()
            if execution.last_known_state == proto.Execution.COMPLETE
        },
    )


def _open(metadata_path: str) -> MetadataStore:
    return MetadataStore(metadata.sqlite_metadata_connection_config(metadata_path))


def _executions(store: MetadataStore, run_id: str) -> dict[str, proto.Execution]:
    """The executions of a run by the id of their node."""
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    by_node = {}
    for execution in store.get_executions_by_context(context.id):
        for node in store.get_contexts_by_execution(execution.id):
            if node.type == "node":
                by_node[node.name.removeprefix(f"{PIPELINE_NAME}.")] = execution
    return by_node


def _outputs(store: MetadataStore, executions: dict[str, proto.Execution]) -> dict[tuple[str, str], proto.Artifact]:
    """The output artifacts by node and output key; each has one."""
    nodes = {execution.id: node for node, execution in executions.items()}
    keys = {
        event.artifact_id: (nodes[event.execution_id], event.path.steps[0].key)
        for event in store.get_events_by_execution_ids(list(nodes))
        if event.type == proto.Event.OUTPUT
    }
    return {keys[artifact.id]: artifact for artifact in store.get_artifacts_by_id(list(keys))}


def _read_json(path: str) -> dict[str, Any]:
    with fileio.open(path, "r") as file:
        content: dict[str, Any] = json.loads(file.read())
    return content
