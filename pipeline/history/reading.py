"""Reads runs from ML Metadata. No TensorFlow.

ML Metadata's client opens the database read-only: another program's file stays unchanged.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout
from ml_metadata import proto
from ml_metadata.metadata_store import MetadataStore

from pipeline.config import LOCK_FILE, METADATA_FILE, PIPELINE_NAME
from pipeline.history.records import ERROR_PROPERTY, Artifact, HistoryError, Run, Step, StepState, Value

_PROBE_S = 0.2  # how long to try for a run's lock, which another reader may hold for a moment
_NAMED = 5  # runs to name if the beginning of an id is ambiguous
_STATES: dict[int, StepState] = {
    proto.Execution.COMPLETE: "done",
    proto.Execution.CACHED: "cached",
    proto.Execution.FAILED: "failed",
}


def read_runs(root: str | Path) -> list[Run]:
    """All runs in a root (the folder given to `digits run --root`), newest first.

    Raises:
        HistoryError: the metadata database is missing, broken, empty, or another program's.
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
        runs = _read(store, store.get_contexts_by_type("pipeline_run"), names)
    except RuntimeError as error:  # the client's exception for all errors from SQLite or the schema
        raise HistoryError(_explain(path, str(error))) from error
    if not runs:
        raise HistoryError(f"{path} has no run of this pipeline. Make one (`digits run`), or name another --root.")
    if runs[0].state == "interrupted" and _is_locked(Path(root)):
        runs[0] = replace(runs[0], state="running")
    return runs


def check_database(root: str | Path) -> None:
    """Checks that a run can write to a root's metadata; TFX would add its tables to another program's database.

    Raises:
        HistoryError: the database is broken or another program's.
    """
    path = Path(root) / METADATA_FILE
    try:
        if path.is_file() and path.stat().st_size:
            _open(path).get_context_types()
    except RuntimeError as error:  # as in read_runs
        raise HistoryError(_explain(path, str(error))) from error


def read_run(root: str | Path, run_id: str) -> Run:
    """One run, finished or not; its state is "interrupted" until it ends.

    Raises:
        HistoryError: none of its components is registered yet.
        RuntimeError: the database cannot be read.
    """
    store = _open(Path(root) / METADATA_FILE)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    contexts = [context] if context else []
    names = {
        execution.id: name
        for context in contexts
        for execution in store.get_executions_by_context(context.id)
        for node in store.get_contexts_by_execution(execution.id)
        if node.type == "node" and (name := _node_name(node)) is not None
    }
    runs = _read(store, contexts, names)
    if not runs:
        raise HistoryError(f"No run {run_id} in {root}.")
    return runs[0]


def find_run(runs: list[Run], name: str) -> Run:
    """The run whose id begins with `name`; "latest" is the newest.

    Raises:
        HistoryError: no run matches, or several do.
    """
    found = runs[:1] if name == "latest" else [run for run in runs if run.run_id.startswith(name)]
    if len(found) > 1:
        some = [run.run_id for run in found[:_NAMED]] + ["others"] * (len(found) > _NAMED)
        raise HistoryError(f"{name} is ambiguous: {', '.join(some)}. Give more of the id.")
    if not found:
        raise HistoryError(f"No run {name}. `digits runs list` lists all runs.")
    return found[0]


def _open(path: Path) -> MetadataStore:
    config = proto.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = proto.SqliteMetadataSourceConfig.READONLY
    return MetadataStore(config)


def _explain(path: Path, reason: str) -> str:
    """A sentence for an error of ML Metadata's client."""
    if "is greater than library version" in reason or "is older than library version" in reason:
        return f"{path} was written by another release of ML Metadata ({reason.partition('.')[0]}). Use that release."
    if "locked" in reason:
        return f"{path} is in use. Try again in a moment."
    if "readonly database" in reason or "not a database" in reason:
        return f"{path} is not an ML Metadata database. Name another folder with --root."
    what = reason.removeprefix("Error when executing query: ").partition(" query:")[0]
    return f"{path} cannot be read ({what}). Restore a copy of it, or name another --root."


def _node_name(node: proto.Context) -> str | None:
    """The component's id; None for another pipeline's component."""
    pipeline, _, name = str(node.name).partition(".")
    return name if pipeline == PIPELINE_NAME else None


def _read(store: MetadataStore, contexts: list[proto.Context], names: dict[int, str]) -> list[Run]:
    """Runs with their named executions, newest first, in a fixed number of queries.

    The order is that of ML Metadata's execution numbers, because the clock, and so a run's id, may go back.
    """
    noted = {context.name: _values(context) for context in contexts}
    executions = {
        context.name: [found for found in store.get_executions_by_context(context.id) if found.id in names]
        for context in contexts
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
        _run(
            run_id,
            [_step(names[found.id], found, by_execution[found.id], artifacts) for found in by_run],
            noted[run_id],
        )
        for run_id, by_run in executions.items()
        if by_run
    ]
    return sorted(runs, key=lambda run: run.steps[0].execution, reverse=True)


def _step(name: str, execution: proto.Execution, events: list[proto.Event], artifacts: dict[int, Artifact]) -> Step:
    sides: dict[int, dict[str, tuple[Artifact, ...]]] = {proto.Event.INPUT: {}, proto.Event.OUTPUT: {}}
    for event in events:
        if event.type in sides:  # a resolver's events have other types: it made nothing
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


def _run(run_id: str, steps: list[Step], noted: dict[str, Value]) -> Run:
    steps = sorted(steps, key=lambda step: step.execution)
    run = Run(run_id, steps[0].started, "interrupted", tuple(steps), noted)
    pusher = run.step("VersionedPusher")
    if any(step.state == "failed" for step in steps):
        return replace(run, state="failed")
    if pusher and pusher.state == "done":
        return replace(run, state="pushed" if run.pushed_model else "not blessed")
    if run.blessed is None and run.figures and run.artifact("ServingCheck", "blessing"):
        return replace(run, state="evaluated")
    return run


def _values(node: proto.Artifact | proto.Execution | proto.Context) -> dict[str, Value]:
    """Properties and custom properties that are numbers or text."""
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
    """Whether `digits run` is running in a root."""
    if not (root / LOCK_FILE).exists():
        return False
    try:
        with FileLock(root / LOCK_FILE, timeout=_PROBE_S):
            return False
    except Timeout:
        return True
