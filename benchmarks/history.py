"""How long `digits runs list` and `digits models list` take with 50 runs and 50 versions.

    python -m benchmarks.history VERSION_DIR      # a pushed version, such as serving_model/1763800000

The runs are written with ML Metadata's client, with the types, properties, events and contexts that TFX writes; every
second one has its data components from the cache. The versions are copies of VERSION_DIR. Everything is made in a
temporary folder; times are of whole commands.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import typer
from ml_metadata import proto
from ml_metadata.metadata_store import MetadataStore
from rich.console import Console
from rich.table import Table

from pipeline.config import METADATA_FILE, PIPELINE_NAME
from pipeline.history.records import ERROR_PROPERTY, FIGURES_PROPERTY

console = Console()

COMPONENTS: dict[str, tuple[dict[str, tuple[str, str]], dict[str, str]]] = {
    "ImportSchemaGen": ({}, {"schema": "Schema"}),
    "MnistExampleGen": ({}, {"examples": "Examples"}),
    "StatisticsGen": ({"examples": ("MnistExampleGen", "examples")}, {"statistics": "ExampleStatistics"}),
    "ExampleValidator": (
        {"statistics": ("StatisticsGen", "statistics"), "schema": ("ImportSchemaGen", "schema")},
        {"anomalies": "ExampleAnomalies"},
    ),
    "SchemaGen": ({"statistics": ("StatisticsGen", "statistics")}, {"schema": "Schema"}),
    "AnomalyGate": ({"anomalies": ("ExampleValidator", "anomalies")}, {}),
    "Transform": (
        {"examples": ("MnistExampleGen", "examples"), "schema": ("ImportSchemaGen", "schema")},
        {"transform_graph": "TransformGraph"},
    ),
    "Trainer": (
        {"examples": ("MnistExampleGen", "examples"), "transform_graph": ("Transform", "transform_graph")},
        {"model": "Model", "model_run": "ModelRun"},
    ),
    "Evaluator": (
        {"examples": ("MnistExampleGen", "examples"), "model": ("Trainer", "model")},
        {"blessing": "ModelBlessing", "evaluation": "ModelEvaluation"},
    ),
    "ServingCheck": (
        {"examples": ("MnistExampleGen", "examples"), "model": ("Trainer", "model")},
        {"blessing": "InfraBlessing"},
    ),
    "VersionedPusher": (
        {
            "examples": ("MnistExampleGen", "examples"),
            "model": ("Trainer", "model"),
            "evaluation": ("Evaluator", "evaluation"),
            "model_blessing": ("Evaluator", "blessing"),
            "infra_blessing": ("ServingCheck", "blessing"),
        },
        {"pushed_model": "PushedModel"},
    ),
}
"""The graph as ML Metadata sees it: inputs as (component, key), outputs as types, by key."""

DATA_COMPONENTS = tuple(COMPONENTS)[: tuple(COMPONENTS).index("Trainer")]

FIGURES = {
    "accuracy": 0.98,
    "loss": 0.07,
    "calibration_error": 0.004,
    "examples": 10_000,
    "accuracy_by_digit": {str(digit): 0.97 + digit / 500 for digit in range(10)},
    "confusion": [[980 if one == other else 2 for one in range(10)] for other in range(10)],
    "baseline_accuracy": None,
    "blessed": True,
    "failures": [],
}
THRESHOLDS = [
    {
        "slicing_specs": [{}],
        "threshold": {"value_threshold": {"lower_bound": 0.969999}, "change_threshold": {"absolute": -0.002001}},
    },
    {
        "slicing_specs": [{"feature_keys": ["label"]}],
        "threshold": {"value_threshold": {"lower_bound": 0.899999}},
    },
]


class HistoryWriter:
    """Writes runs into an ML Metadata database as TFX does.

    Args:
        root: folder of the runs; the database is created if it is missing.
    """

    def __init__(self, root: Path):
        self._root = root
        config = proto.ConnectionConfig()
        config.sqlite.filename_uri = str(root / METADATA_FILE)
        config.sqlite.connection_mode = proto.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self._store = MetadataStore(config)
        self._artifacts: dict[tuple[str, str], proto.Artifact] = {}

    def write(
        self,
        run_id: str,
        *,
        pipeline: str = PIPELINE_NAME,
        parameters: dict[str, Any] | None = None,
        figures: dict[str, Any] | None = FIGURES,
        servable: bool = True,
        version: int | None = None,
        push_dir: str = "/serving_model",
        cached: tuple[str, ...] = (),
        last: str = "VersionedPusher",
        last_state: int = proto.Execution.COMPLETE,
        error: str | None = None,
    ) -> None:
        """Writes a run.

        Args:
            run_id: its name.
            pipeline: the pipeline's name.
            parameters: the Trainer's custom_config, over LeNet's, 10 epochs.
            figures: the evaluation's recorded figures; None for a run of an earlier release.
            servable: ServingCheck's verdict.
            version: the pushed version, or None.
            push_dir: where to.
            cached: components with outputs from the previous run.
            last: the last component of the run.
            last_state: its final state.
            error: its recorded error.
        """
        training = {"model": "lenet", "epochs": 10, "batch_size": 128, "learning_rate": 0.006, "augment": False}
        training |= {"outliers": 0, "seed": 1, "source": "0" * 64} | (parameters or {})
        values: dict[str, dict[str, Any]] = {
            "MnistExampleGen": {"input_base": str(self._root / "data")},
            "Trainer": {"custom_config": json.dumps(training), "run_fn": "models.training.run_fn.run_fn"},
            "Evaluator": {
                "eval_config": json.dumps({"metrics_specs": [{"metrics": [{"per_slice_thresholds": THRESHOLDS}]}]})
            },
            "VersionedPusher": {"push_dir": push_dir},
        }
        made: dict[str, dict[str, Any]] = {
            "Examples": {
                "source": "bundled",
                "split_sizes": '{"train": 53000, "eval": 2000, "test": 10000}',
                "input_fingerprint": "split:train,num_files:2\nsplit:eval,num_files:2\nsplit:test,num_files:2",
            },
            "ModelBlessing": {"blessed": int(figures is None or figures["blessed"])},
            "ModelEvaluation": {} if figures is None else {FIGURES_PROPERTY: json.dumps(figures)},
            "InfraBlessing": {"blessed": int(servable)},
            "PushedModel": {"pushed": 0}
            if version is None
            else {"pushed": 1, "pushed_version": str(version), "pushed_destination": f"{push_dir}/{version}"},
        }
        contexts = [self._context("pipeline", pipeline), self._context("pipeline_run", run_id)]
        for name, (inputs, outputs) in COMPONENTS.items():
            state = last_state if name == last else proto.Execution.COMPLETE
            execution = proto.Execution(type_id=self._type("execution", f"of.{name}"))
            execution.last_known_state = proto.Execution.CACHED if name in cached else state
            _set(execution, values.get(name, {}) | ({ERROR_PROPERTY: error} if name == last and error else {}))
            [execution.id] = self._store.put_executions([execution])
            pairs = [(self._artifacts[source], _event(proto.Event.INPUT, key)) for key, source in inputs.items()]
            ended = execution.last_known_state in (proto.Execution.COMPLETE, proto.Execution.CACHED)
            for key, kind in outputs.items() if ended else ():
                if name not in cached:
                    uri = str(self._root / name / key / str(execution.id))
                    artifact = proto.Artifact(type_id=self._type("artifact", kind), uri=uri)
                    _set(artifact, made.get(kind, {}))
                    [artifact.id] = self._store.put_artifacts([artifact])
                    self._artifacts[name, key] = artifact
                pairs.append((self._artifacts[name, key], _event(proto.Event.OUTPUT, key)))
            node = self._context("node", f"{pipeline}.{name}")
            self._store.put_execution(execution, pairs, [*contexts, node])
            if name == last:
                return

    def _type(self, kind: str, name: str) -> int:
        if kind == "artifact":
            return int(self._store.put_artifact_type(proto.ArtifactType(name=name)))
        return int(self._store.put_execution_type(proto.ExecutionType(name=name)))

    def _context(self, kind: str, name: str) -> proto.Context:
        type_id = self._store.put_context_type(proto.ContextType(name=kind))
        known = self._store.get_context_by_type_and_name(kind, name)
        if known is not None:
            return known
        context = proto.Context(type_id=type_id, name=name)
        [context.id] = self._store.put_contexts([context])
        return context


def _set(node: proto.Artifact | proto.Execution, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, int):
            node.custom_properties[name].int_value = value
        else:
            node.custom_properties[name].string_value = value


def _event(kind: int, key: str) -> proto.Event:
    event = proto.Event(type=kind)
    event.path.steps.add(key=key)
    event.path.steps.add(index=0)
    return event


def write_many(root: Path, runs: int) -> None:
    """Writes the given number of runs, all pushed."""
    writer = HistoryWriter(root)
    for number in range(runs):
        cached = DATA_COMPONENTS if number else ()
        writer.write(f"20261122-{number:06}.000000", parameters={"seed": number}, version=10**9 + number, cached=cached)


def main(version_dir: Path, count: int = 50, repeats: int = 5) -> None:
    """Times both commands with COUNT runs and versions, each REPEATS times, alternating."""
    with tempfile.TemporaryDirectory() as folder:
        root, push_dir = Path(folder, "runs"), Path(folder, "serving_model")
        root.mkdir()
        write_many(root, count)
        for number in range(count):
            shutil.copytree(version_dir, push_dir / str(10**9 + number))
        commands = {"runs list": [f"--root={root}"], "models list": [f"--push-dir={push_dir}"]}
        seconds: dict[str, list[float]] = {command: [] for command in commands}
        processor: dict[str, list[float]] = {command: [] for command in commands}
        for _ in range(repeats):
            for command, options in commands.items():
                line = [sys.executable, "-m", "pipeline.cli", *command.split(), *options]
                start, before = time.perf_counter(), os.times()
                done = subprocess.run(line, capture_output=True, text=True, check=True)
                seconds[command].append(time.perf_counter() - start)
                after = os.times()
                processor[command].append(
                    after.children_user + after.children_system - before.children_user - before.children_system
                )
                if len(done.stdout.splitlines()) != count + 1:
                    raise SystemExit(f"digits {command} did not list all:\n{done.stdout}")
    table = Table("command", "least", "median", "all", "processor time, median", title=f"{count} runs and versions")
    for command, times in seconds.items():
        table.add_row(
            f"digits {command}",
            f"{min(times):.2f} s",
            f"{statistics.median(times):.2f} s",
            ", ".join(f"{value:.2f}" for value in times),
            f"{statistics.median(processor[command]):.2f} s",
        )
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
