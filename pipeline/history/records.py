"""What was run, read from ML Metadata: runs, their components, parameters, artifacts and verdicts. No TensorFlow.

ML Metadata's own client reads the database, which is opened read-only: a file that is none of its own stays as it is.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from ml_metadata import proto
from ml_metadata.metadata_store import MetadataStore

from pipeline.config import LOCK_FILE, METADATA_FILE, PIPELINE_NAME
from pipeline.thresholds import read_thresholds

ERROR_PROPERTY = "error_message"
"""Custom property of a failed execution: why it failed."""

FIGURES_PROPERTY = "figures"
"""Custom property of a ModelEvaluation artifact: its figures as JSON, for whoever must not load TensorFlow."""

_NAMED = 5
"""Runs that are named where the beginning of an id is that of several."""

StepState = Literal["done", "cached", "failed", "interrupted"]
RunState = Literal["pushed", "not blessed", "evaluated", "failed", "running", "interrupted"]
Value = str | int | float

_STATES: dict[int, StepState] = {
    proto.Execution.COMPLETE: "done",
    proto.Execution.CACHED: "cached",
    proto.Execution.FAILED: "failed",
}


class HistoryError(Exception):
    """The history cannot be read or has not what is asked for; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Artifact:
    """What a component made.

    Attributes:
        id: its number in ML Metadata.
        type: its kind, such as "Model", "ModelRun", "ModelEvaluation", "Examples" or "PushedModel".
        uri: its folder.
        properties: properties and custom properties by name.
    """

    id: int
    type: str
    uri: str
    properties: dict[str, Value]


@dataclass(frozen=True)
class Step:
    """A component in a run.

    Attributes:
        name: the component's id in the graph, such as "Trainer".
        execution: its number in ML Metadata, which is also the last part of its artifacts' folders.
        state: how it went; a cached one took over what an earlier run had made.
        started: when, UTC.
        seconds: how long it took, None while it has not ended.
        parameters: its execution properties, as ML Metadata keeps them.
        inputs: the artifacts it read, by input key.
        outputs: the artifacts it made or took over, by output key.
        error: why it failed, None where it did not or nobody noted it.
    """

    name: str
    execution: int
    state: StepState
    started: datetime
    seconds: float | None
    parameters: dict[str, Value]
    inputs: dict[str, tuple[Artifact, ...]]
    outputs: dict[str, tuple[Artifact, ...]]
    error: str | None


@dataclass(frozen=True)
class Run:
    """A run of the pipeline.

    Attributes:
        run_id: its name in ML Metadata, the UTC time of its start: YYYYMMDD-HHMMSS.micros.
        started: when, UTC.
        state: how it ended. "not blessed" is also said where the bot could not serve the model, "evaluated" where
            nothing was demanded, as in a comparison.
        steps: its components in the order they were run.
    """

    run_id: str
    started: datetime
    state: RunState
    steps: tuple[Step, ...]

    def __getitem__(self, name: str) -> Step:
        """The component of that id, which the run is known to have got to."""
        return next(step for step in self.steps if step.name == name)

    def step(self, name: str) -> Step | None:
        """The component of that id, None where the run did not get there."""
        return next((step for step in self.steps if step.name == name), None)

    def artifact(self, step: str, key: str) -> Artifact | None:
        """The output `key` of a component, such as ("Trainer", "model"); None where there is none."""
        found = self.step(step)
        return next(iter(found.outputs.get(key, ())), None) if found else None

    @property
    def parameters(self) -> dict[str, Any]:
        """What models.recipe.Training.to_config made, as the Trainer got it; empty where the run did not get there."""
        trainer = self.step("Trainer")
        parameters: dict[str, Any] = json.loads(str(trainer.parameters["custom_config"])) if trainer else {}
        return parameters

    @property
    def examples(self) -> Artifact | None:
        """The data, with the properties `source`, `split_sizes` (JSON) and `input_fingerprint`."""
        return self.artifact("MnistExampleGen", "examples")

    @property
    def model(self) -> Artifact | None:
        """The exported model; the SavedModel lies in its folder `Format-Serving`."""
        return self.artifact("Trainer", "model")

    @property
    def model_run(self) -> Artifact | None:
        """TensorBoard's logs: its folders `train` and `validation`."""
        return self.artifact("Trainer", "model_run")

    @property
    def model_evaluation(self) -> Artifact | None:
        """What TFMA wrote."""
        return self.artifact("Evaluator", "evaluation")

    @property
    def pushed_model(self) -> Artifact | None:
        """A copy of what was pushed; None where nothing was."""
        pushed = self.artifact("VersionedPusher", "pushed_model")
        return pushed if pushed and pushed.properties.get("pushed") == 1 else None

    @property
    def version(self) -> int | None:
        """The pushed version."""
        return int(self.pushed_model.properties["pushed_version"]) if self.pushed_model else None

    @property
    def destination(self) -> str | None:
        """The pushed version's folder."""
        return str(self.pushed_model.properties["pushed_destination"]) if self.pushed_model else None

    @property
    def card(self) -> dict[str, Any]:
        """The card of what was pushed, else of the export, as it is kept with the run; empty where there is none."""
        from serving_bot.versions.folder import Version, read_card  # noqa: PLC0415 (fsspec takes longer than a list)

        kept = [self.pushed_model.uri] if self.pushed_model else []
        kept += [f"{self.model.uri}/Format-Serving"] if self.model else []
        return next(filter(None, (read_card(Version(0, folder)) for folder in kept)), {})

    @property
    def seconds(self) -> float | None:
        """From its start to the end of its last component, None while that has not ended."""
        last = self.steps[-1]
        if last.seconds is None:
            return None
        return (last.started - self.started).total_seconds() + last.seconds

    @property
    def thresholds(self) -> dict[str, float]:
        """The fields of pipeline.config.Thresholds as the Evaluator got them; empty where the run did not get there."""
        evaluator = self.step("Evaluator")
        if evaluator is None:
            return {}
        return read_thresholds(str(evaluator.parameters["eval_config"]))

    @property
    def blessed(self) -> bool | None:
        """The Evaluator's verdict, None where there is none: it was not run, or nothing was demanded."""
        blessing = self.artifact("Evaluator", "blessing")
        verdict = blessing.properties.get("blessed") if blessing else None
        return None if verdict is None else verdict == 1

    @property
    def servable(self) -> bool | None:
        """ServingCheck's verdict, None where there is none."""
        blessing = self.artifact("ServingCheck", "blessing")
        return blessing.properties.get("blessed") == 1 if blessing else None

    @property
    def serving_problem(self) -> str | None:
        """Why the bot could not serve the model; None where it can or nobody tried."""
        blessing = self.artifact("ServingCheck", "blessing")
        if blessing is None or self.servable:
            return None
        import fsspec  # noqa: PLC0415 (takes longer than a list of runs)

        try:
            with fsspec.open(f"{blessing.uri}/report.json", encoding="utf-8", mode="r") as file:
                report = json.load(file)
        except (OSError, ValueError):
            return f"the report in {blessing.uri} is gone or damaged"
        return str(report["problem"])

    @property
    def figures(self) -> dict[str, Any] | None:
        """What components.evaluation.result.EvaluationResult holds, but for the misread examples, as JSON values.

        None where the Evaluator wrote nothing, or an earlier release ran it.
        """
        artifact = self.model_evaluation
        noted = artifact.properties.get(FIGURES_PROPERTY) if artifact else None
        figures: dict[str, Any] | None = json.loads(str(noted)) if noted is not None else None
        return figures


def read_runs(root: str | Path) -> list[Run]:
    """All runs in a root, newest first.

    Args:
        root: the folder that `digits run --root` was given.

    Raises:
        HistoryError: there is no metadata database, it is broken or another program's, or it holds no run.
    """
    path = Path(root) / METADATA_FILE
    if not path.is_file():
        raise HistoryError(f"No run in {root} yet. Make one (`digits run`), or name another folder with --root.")
    try:
        store = _open(path)
        names = {
            execution.id: name
            for node in store.get_contexts_by_type("node")
            if (name := _node_name(node)) is not None
            for execution in store.get_executions_by_context(node.id)
        }
        contexts = store.get_contexts_by_type("pipeline_run")
        runs = _read(store, {context.name: store.get_executions_by_context(context.id) for context in contexts}, names)
    except RuntimeError as error:  # what the client raises for anything that SQLite or the schema says
        raise HistoryError(_explain(path, str(error))) from error
    if not runs:
        raise HistoryError(f"{path} holds no run of this pipeline. Make one (`digits run`), or name another --root.")
    if runs[0].state == "interrupted" and _is_locked(Path(root)):
        runs[0] = replace(runs[0], state="running")
    return runs


def check_database(root: str | Path) -> None:
    """Looks whether a run can write to a root's metadata; TFX would put its tables into another program's database.

    Raises:
        HistoryError: there is a database, and it is broken or another program's.
    """
    path = Path(root) / METADATA_FILE
    try:
        if path.is_file() and path.stat().st_size:
            _open(path).get_context_types()
    except RuntimeError as error:  # as in read_runs
        raise HistoryError(_explain(path, str(error))) from error


def read_run(root: str | Path, run_id: str) -> Run:
    """One run, also while it goes: "interrupted" until it has ended.

    Raises:
        HistoryError: no component of it was registered yet.
        RuntimeError: the database cannot be read.
    """
    store = _open(Path(root) / METADATA_FILE)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    executions = store.get_executions_by_context(context.id) if context else []
    names = {
        execution.id: name
        for execution in executions
        for node in store.get_contexts_by_execution(execution.id)
        if node.type == "node" and (name := _node_name(node)) is not None
    }
    runs = _read(store, {run_id: executions}, names)
    if not runs:
        raise HistoryError(f"There is no run {run_id} in {root}.")
    return runs[0]


def find_run(runs: list[Run], name: str) -> Run:
    """The run whose id begins with `name`; "latest" is the newest.

    Raises:
        HistoryError: there is none, or there are several.
    """
    found = runs[:1] if name == "latest" else [run for run in runs if run.run_id.startswith(name)]
    if len(found) > 1:
        some = [run.run_id for run in found[:_NAMED]] + ["others"] * (len(found) > _NAMED)
        raise HistoryError(f"{name} may be any of {', '.join(some)}: write more of it.")
    if not found:
        raise HistoryError(f"There is no run {name}. `digits runs list` shows those there are.")
    return found[0]


@dataclass(frozen=True)
class Origin:
    """Where an artifact comes from.

    Attributes:
        artifact: what was made.
        run: the run that made it; later runs may have taken it over.
        step: the component that made it.
    """

    artifact: Artifact
    run: Run
    step: Step


@dataclass(frozen=True)
class Lineage:
    """Everything a pushed version was made from; None for what ML Metadata does not know.

    Attributes:
        version: the version number.
        pushed: the push.
        model: the export.
        evaluation: what it was judged by.
        baseline: the model that it was compared with.
        transform_graph: what turns raw examples into the network's input.
        schema: what the data had to be like.
        statistics: of the data.
        examples: the data, with the property `input_fingerprint`.
        card: the version's card: git revision, seed, versions of libraries; empty where it is gone.
    """

    version: int
    pushed: Origin
    model: Origin | None
    evaluation: Origin | None
    baseline: Origin | None
    transform_graph: Origin | None
    schema: Origin | None
    statistics: Origin | None
    examples: Origin | None
    card: dict[str, Any]


def trace(runs: list[Run], version: int, push_dir: str) -> Lineage:
    """The lineage of a pushed version.

    Args:
        runs: all there are, as `read_runs` returns them.
        version: its number.
        push_dir: where it was pushed to; decides where several folders have a version of that number.

    Raises:
        HistoryError: no run in this root pushed it.
    """
    pushes = [run for run in runs if run.version == version]
    here = [run for run in pushes if run.destination == os.path.join(push_dir, str(version))]
    if not pushes:
        raise HistoryError(
            f"No run here pushed a version {version}. `digits models show {version}` says which run made it; "
            "name that run's folder with --root."
        )
    run = (here or pushes)[-1]  # the first to push it; the same command again finds it there
    step, artifact = run["VersionedPusher"], run.pushed_model
    assert artifact is not None  # it has a version
    makers = find_makers(runs)
    model = _origin(makers, step.inputs.get("model"))
    evaluation = _origin(makers, step.inputs.get("evaluation"))
    examples = _origin(makers, (model or Origin(artifact, run, step)).step.inputs.get("examples"))
    transform_graph = _origin(makers, model.step.inputs.get("transform_graph")) if model else None
    of_the_data = (
        made
        for made in makers.values()
        if made.artifact.type == "ExampleStatistics"
        and examples
        and examples.artifact in made.step.inputs.get("examples", ())
    )
    return Lineage(
        version=version,
        pushed=Origin(artifact, run, step),
        model=model,
        evaluation=evaluation,
        baseline=_origin(makers, evaluation.step.inputs.get("baseline_model")) if evaluation else None,
        transform_graph=transform_graph,
        schema=_origin(makers, transform_graph.step.inputs.get("schema")) if transform_graph else None,
        statistics=next(of_the_data, None),
        examples=examples,
        card=run.card,
    )


def find_makers(runs: list[Run]) -> dict[int, Origin]:
    """Who made each artifact, by its id, oldest first; who took it over from the cache does not count."""
    return {
        artifact.id: Origin(artifact, run, step)
        for run in reversed(runs)
        for step in run.steps
        if step.state == "done"
        for made in step.outputs.values()
        for artifact in made
    }


def _origin(makers: dict[int, Origin], artifacts: tuple[Artifact, ...] | None) -> Origin | None:
    return makers.get(artifacts[0].id) if artifacts else None


def _open(path: Path) -> MetadataStore:
    config = proto.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = proto.SqliteMetadataSourceConfig.READONLY
    return MetadataStore(config)


def _explain(path: Path, reason: str) -> str:
    """A sentence for what ML Metadata's client says of a database."""
    if "is greater than library version" in reason or "is older than library version" in reason:
        return f"{path} was written by another release of ML Metadata ({reason.partition('.')[0]}). Use that one."
    if "locked" in reason:
        return f"{path} is in use. Try again in a moment."
    if "readonly database" in reason or "not a database" in reason:
        return f"{path} is no database of ML Metadata. Name another folder with --root."
    what = reason.removeprefix("Error when executing query: ").partition(" query:")[0]
    return f"{path} cannot be read ({what}). Put back a copy of it, or name another --root."


def _node_name(node: proto.Context) -> str | None:
    """The id of a component of this pipeline, None for another pipeline's."""
    pipeline, _, name = str(node.name).partition(".")
    return name if pipeline == PIPELINE_NAME else None


def _read(
    store: MetadataStore, executions_by_run: dict[str, list[proto.Execution]], names: dict[int, str]
) -> list[Run]:
    """Runs with the executions that have a name, newest first; in few queries, however many runs there are."""
    executions = {
        run_id: [execution for execution in executions if execution.id in names]
        for run_id, executions in executions_by_run.items()
    }
    events = store.get_events_by_execution_ids([found.id for by_run in executions.values() for found in by_run])
    artifacts = {
        artifact.id: Artifact(artifact.id, artifact.type, artifact.uri, _values(artifact))
        for artifact in store.get_artifacts_by_id(sorted({event.artifact_id for event in events}))
    }
    by_execution: dict[int, list[proto.Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.path.steps[1].index):
        by_execution[event.execution_id].append(event)
    runs = [
        _run(run_id, [_step(names[found.id], found, by_execution[found.id], artifacts) for found in by_run])
        for run_id, by_run in executions.items()
        if by_run
    ]
    return sorted(runs, key=lambda run: run.run_id, reverse=True)


def _step(name: str, execution: proto.Execution, events: list[proto.Event], artifacts: dict[int, Artifact]) -> Step:
    sides: dict[int, dict[str, tuple[Artifact, ...]]] = {proto.Event.INPUT: {}, proto.Event.OUTPUT: {}}
    for event in events:
        if event.type in sides:  # a resolver's are of other types: it made nothing
            side, key = sides[event.type], event.path.steps[0].key
            side[key] = (*side.get(key, ()), artifacts[event.artifact_id])
    state = _STATES.get(execution.last_known_state, "interrupted")
    ended = state != "interrupted"
    parameters = _values(execution)
    error = parameters.pop(ERROR_PROPERTY, None)
    milliseconds = execution.last_update_time_since_epoch - execution.create_time_since_epoch
    return Step(
        name=name,
        execution=execution.id,
        state=state,
        started=_time(execution.create_time_since_epoch),
        seconds=milliseconds / 1000 if ended else None,
        parameters=parameters,
        inputs=sides[proto.Event.INPUT],
        outputs=sides[proto.Event.OUTPUT],
        error=str(error) if error is not None else None,
    )


def _run(run_id: str, steps: list[Step]) -> Run:
    steps = sorted(steps, key=lambda step: step.execution)
    run = Run(run_id, steps[0].started, "interrupted", tuple(steps))
    pusher = run.step("VersionedPusher")
    if any(step.state == "failed" for step in steps):
        return replace(run, state="failed")
    if pusher and pusher.state == "done":
        return replace(run, state="pushed" if run.pushed_model else "not blessed")
    if run.blessed is None and run.figures and run.artifact("ServingCheck", "blessing"):
        return replace(run, state="evaluated")
    return run


def _values(node: proto.Artifact | proto.Execution) -> dict[str, Value]:
    """Properties and custom properties; those that are neither numbers nor texts are left out."""
    values: dict[str, Value] = {}
    for properties in (node.properties, node.custom_properties):
        for name, value in properties.items():
            kind = value.WhichOneof("value")
            if kind in ("int_value", "double_value", "string_value"):
                values[name] = getattr(value, kind)
    return values


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def _is_locked(root: Path) -> bool:
    """Whether `digits run` is at work in a root."""
    try:
        with (root / LOCK_FILE).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
