"""Views of the history: runs, one run, the difference of two, a lineage; each for people and as JSON values."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text
from rich.tree import Tree

from models.features import USERS, USERS_TRAIN
from models.recipe import TRAINING_SETTINGS
from models.registry import name_training
from pipeline.history.lineage import Lineage, Origin, find_makers
from pipeline.history.records import Run, Step
from pipeline.history.verdict import describe_problems, worst_digit

_STYLES = {
    "pushed": "green",
    "not blessed": "yellow",
    "evaluated": "",
    "failed": "red",
    "running": "cyan",
    "interrupted": "dim",
}


def name_model(run: Run) -> str:
    """The network and its epochs: "MyModel, 10 epochs"; empty if the run did not reach the training."""
    parameters = run.parameters
    return name_training(parameters["model"], parameters["epochs"]) if parameters else ""


def _whole(title: str = "") -> Column:
    """A column that a narrow terminal does not shorten: of ids, numbers and names."""
    return Column(title, no_wrap=True)


def _folded(title: str = "") -> Column:
    """A column whose long words, such as paths, continue in the next line."""
    return Column(title, overflow="fold")


def list_runs(runs: list[Run]) -> RenderableType:
    """A line for each run."""
    columns = (_whole("run"), "model", "seed", "test accuracy", "state", _whole("version"), "time")
    table = Table(*columns, box=None, pad_edge=False)
    for run in runs:
        table.add_row(
            run.run_id,
            name_model(run),
            str(run.parameters.get("seed", "")),
            _percent(run.figures["accuracy"]) if run.figures else "",
            _describe_state(run),
            str(run.version or ""),
            _duration(run.seconds),
        )
    return table


def describe_run(run: Run, runs: list[Run]) -> RenderableType:
    """Everything known about a run; from all `runs` it finds which one made the outputs of a cached component."""
    table = Table.grid(_whole(), _folded(), padding=(0, 2))
    table.add_row("Run", run.run_id)
    table.add_row("State", _describe_state(run))
    if run.command:
        table.add_row("Command", Text(run.command))
    for name, value in (_facts(run) | _outcome(run, by_digit=False, seconds=False)).items():
        table.add_row(name, Text(_show(name, value)))
    reasons = [Text(f"  • {reason}") for reason in explain(run)]
    steps = Table(_whole("component"), "state", _whole("time"), _folded("artifacts"), box=None, pad_edge=False)
    made_by = find_makers(runs)
    for step in run.steps:
        uris = [artifact.uri for artifacts in step.outputs.values() for artifact in artifacts]
        steps.add_row(step.name, _describe_step(step, made_by), _duration(step.seconds), "\n".join(uris))
    return Group(table, *reasons, Text(), steps)


def explain(run: Run) -> list[str]:
    """The reasons why a run pushed nothing, a text each; empty if it did or still may."""
    if run.state in ("pushed", "evaluated", "running"):
        return []
    failed = [step for step in run.steps if step.state == "failed"]
    if failed:
        return [f"{step.name} failed: {step.error or 'the reason is unknown; see the log in logs/'}" for step in failed]
    if run.state == "interrupted":
        return [f"it ended at {run.steps[-1].name}; the same command resumes from there"]
    if run.blessed is False and run.figures is None:
        return ["an earlier release ran it without recording figures; run the same command again to record them"]
    return describe_problems(run)


def diff_runs(first: Run, second: Run) -> RenderableType:
    """The differences between two runs."""
    differences = diff_as_json(first, second)["differences"]
    if not differences:
        return Text("The two runs differ only in when they ran.")
    table = Table(_folded(), _folded(first.run_id), _folded(second.run_id), box=None, pad_edge=False)
    for name, (one, other) in differences.items():
        table.add_row(name, Text(_show(name, one)), Text(_show(name, other)))
    return table


def diff_as_json(first: Run, second: Run) -> dict[str, Any]:
    """The differences as JSON values: `runs`, and `differences` by name, [first, second]."""
    one, other = ({"State": run.state} | _facts(run) | _outcome(run) for run in (first, second))
    names = [*one, *(name for name in other if name not in one)]
    differences = {name: [one.get(name), other.get(name)] for name in names if one.get(name) != other.get(name)}
    return {"runs": [first.run_id, second.run_id], "differences": differences}


def run_as_json(run: Run) -> dict[str, Any]:
    """A run as JSON values; times in ISO 8601, UTC."""
    examples = run.examples
    return {
        "run_id": run.run_id,
        "started": run.started.isoformat(),
        "seconds": run.seconds,
        "state": run.state,
        "reasons": explain(run),
        "blessed": run.blessed,
        "servable": run.servable,
        "command": run.command,
        "parameters": run.parameters,
        "thresholds": run.thresholds,
        "data": {
            "source": examples.properties.get("source"),
            "splits": run.split_sizes,
            "fingerprint": examples.properties.get("input_fingerprint"),
        }
        if examples
        else None,
        "git_revision": run.card.get("git_revision"),
        "figures": run.figures,
        "version": run.version,
        "path": run.destination,
        "components": [
            {
                "name": step.name,
                "state": step.state,
                "started": step.started.isoformat(),
                "seconds": step.seconds,
                "error": step.error,
                "artifacts": [
                    {"key": key, "type": artifact.type, "id": artifact.id, "uri": artifact.uri}
                    for key, artifacts in step.outputs.items()
                    for artifact in artifacts
                ],
            }
            for step in run.steps
        ],
    }


def describe_lineage(lineage: Lineage) -> RenderableType:
    """A tree from the pushed version down to the data, and the code."""
    pushed = lineage.pushed
    tree = Tree(Text(f"version {lineage.version}, {pushed.run.destination}, pushed by run {pushed.run.run_id}"))
    model = _branch(tree, f"model: {name_model(pushed.run)}, seed {pushed.run.parameters.get('seed')}", lineage.model)
    figures = pushed.run.figures
    judged = f": {_percent(figures['accuracy'])} on {figures['examples']:,} test images" if figures else ""
    evaluation = _branch(model, f"evaluation{judged}", lineage.evaluation)
    if lineage.baseline:
        _branch(evaluation, "baseline", lineage.baseline)
    graph = _branch(model, "transform graph", lineage.transform_graph)
    _branch(graph, "schema", lineage.schema)
    statistics = _branch(graph, "statistics", lineage.statistics)
    examples = lineage.examples
    data = _branch(statistics, f"data: {examples.artifact.properties.get('source')}" if examples else "data", examples)
    if examples:
        data.add(Text(f"SHA-256 {examples.artifact.properties.get('input_fingerprint', 'unknown')}"))
    if lineage.users:
        users = data.add(Text(describe_users(lineage.users)))
        if lineage.forgotten is not None:
            users.add(Text(f"contributors who have been forgotten since: {', '.join(lineage.forgotten) or 'none'}"))
    code = model.add(Text(f"code: revision {lineage.card.get('git_revision') or 'unknown'}"))
    code.add(Text(f"SHA-256 of models/*.py: {pushed.run.parameters.get('source')}"))
    return tree


def describe_users(users: dict[str, Any]) -> str:
    """Describes users' contributions in a run, from `Run.users`."""
    trained, evaluated = (users.get(name, 0) for name in (USERS_TRAIN, USERS))
    counts = f"{trained:,} for training, {evaluated:,} for evaluation, from {users['contributors']:,} contributors"
    return f"users' digits: {counts}\nSHA-256 {users['digest']}"


def lineage_as_json(lineage: Lineage) -> dict[str, Any]:
    """The lineage as JSON values; null for what ML Metadata does not know."""
    examples, parameters = lineage.examples, lineage.pushed.run.parameters
    parts = ("pushed", "model", "evaluation", "baseline", "transform_graph", "schema", "statistics", "examples")
    return {
        "version": lineage.version,
        "path": lineage.pushed.run.destination,
        **{part: _origin_as_json(getattr(lineage, part)) for part in parts},
        "data_fingerprint": examples.artifact.properties.get("input_fingerprint") if examples else None,
        "git_revision": lineage.card.get("git_revision"),
        "source_fingerprint": parameters.get("source"),
        "parameters": parameters,
        "users": lineage.users,
        "forgotten_contributors": None if lineage.forgotten is None else list(lineage.forgotten),
    }


def _origin_as_json(origin: Origin | None) -> dict[str, Any] | None:
    if origin is None:
        return None
    return {
        "type": origin.artifact.type,
        "id": origin.artifact.id,
        "uri": origin.artifact.uri,
        "component": origin.step.name,
        "run_id": origin.run.run_id,
    }


def _branch(parent: Tree, title: str, origin: Origin | None) -> Tree:
    if origin is None:
        return parent.add(Text(f"{title}: unknown"))
    where = f"\n{origin.step.name} of run {origin.run.run_id}, {origin.artifact.uri}"
    return parent.add(Text(title).append(where, style="dim"))


def _facts(run: Run) -> dict[str, Any]:
    """A run's inputs by display name, without unknown ones."""
    parameters, examples = run.parameters, run.examples
    step = run.step("MnistExampleGen")
    pusher = run.step("VersionedPusher")
    facts = {
        "Model": name_model(run) or None,
        **{known.label: parameters.get(name) for name, known in TRAINING_SETTINGS.items() if name != "epochs"},
        "Code": run.card.get("git_revision"),
        "Source fingerprint": parameters.get("source"),
        "Data folder": step.parameters.get("input_base") if step else None,
        "Data source": examples.properties.get("source") if examples else None,
        "Split sizes": run.split_sizes if examples else None,
        "Data fingerprint": examples.properties.get("input_fingerprint") if examples else None,
        "Users' digits": run.users["digest"] if run.users else None,
        **{f"--{name.replace('_', '-')}": bound for name, bound in run.thresholds.items()},
        "Push folder": pusher.parameters.get("push_dir") if pusher else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _outcome(run: Run, *, by_digit: bool = True, seconds: bool = True) -> dict[str, Any]:
    """A run's results, in the same form."""
    figures = run.figures or {}
    digits = figures.get("accuracy_by_digit", {})
    worst, its_accuracy = worst_digit(figures) if digits else (None, 0.0)
    outcome = {
        "Test accuracy": figures.get("accuracy"),
        "Worst digit": f"{worst}, {_percent(its_accuracy)}" if digits else None,
        "Test loss": figures.get("loss"),
        "Calibration error": figures.get("calibration_error"),
        "Baseline accuracy": figures.get("baseline_accuracy"),
        "Version": run.version,
        "Pushed to": run.destination,
    }
    if by_digit:
        outcome |= {f"Accuracy on {digit}": accuracy for digit, accuracy in digits.items()}
    if seconds:
        outcome |= {f"Seconds of {step.name}": step.seconds for step in run.steps if step.state == "done"}
    return {name: value for name, value in outcome.items() if value is not None}


def _show(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{key} {number:,}" for key, number in value.items())
    if isinstance(value, float) and ("ccuracy" in name or name.startswith("--")):
        return _percent(value)
    if isinstance(value, float) and name.startswith("Seconds"):
        return f"{value:.1f}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _describe_state(run: Run) -> Text:
    return Text(run.state, style=_STYLES[run.state])


def _describe_step(step: Step, made_by: dict[int, Origin]) -> str:
    """Its state; for a cached step, also the run that made its outputs."""
    if step.state != "cached":
        return step.state
    outputs = [artifact for artifacts in step.outputs.values() for artifact in artifacts]
    maker = made_by.get(outputs[0].id) if outputs else None
    return f"cached, of run {maker.run.run_id}" if maker else "cached"


def _percent(share: float) -> str:
    return f"{share:.2%}"


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
