"""Traces a pushed version back through the runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.history.records import Artifact, HistoryError, Run, Step


@dataclass(frozen=True)
class Origin:
    """The origin of an artifact."""

    artifact: Artifact  # the artifact
    run: Run  # the run that made it; later runs may have reused it
    step: Step  # the component that made it


@dataclass(frozen=True)
class Lineage:
    """Everything that went into a pushed version; None for what ML Metadata does not know."""

    version: int  # the version number
    pushed: Origin  # the push
    model: Origin | None  # the export
    evaluation: Origin | None  # its evaluation
    baseline: Origin | None  # the model it was compared with
    transform_graph: Origin | None  # turns raw examples into the network's input
    schema: Origin | None  # the data's schema
    statistics: Origin | None  # of the data
    examples: Origin | None  # the data, with the property `input_fingerprint`
    card: dict[str, Any]  # the version's card: git revision, seed, versions of libraries; empty if it is gone
    users: dict[str, Any] | None  # digest and counts of users' contributions; None if there are none
    # contributors to it who have been forgotten since; None if unknown
    forgotten: tuple[str, ...] | None = None


def trace(runs: list[Run], version: int, push_dir: str, present: Callable[[], set[str]] | None = None) -> Lineage:
    """The lineage of a pushed version.

    Args:
        runs: all runs, as `read_runs` returns them.
        version: its number.
        push_dir: its push folder, in case several folders have a version of that number.
        present: returns the feedback folder's current contributors; None to skip the search for forgotten ones.

    Raises:
        HistoryError: no run in this root pushed it.
    """
    pushes = [run for run in runs if run.version == version]
    here = [run for run in pushes if run.destination == os.path.join(push_dir, str(version))]
    if not pushes:
        raise HistoryError(
            f"No run here pushed version {version}. `digits models show {version}` names the run that made it; "
            "give that run's folder with --root."
        )
    run = (here or pushes)[-1]  # the first to push it; later runs of the same command found it there
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
        users=run.users,
        forgotten=_forgotten(examples, present) if run.users and present else None,
    )


def _forgotten(examples: Origin | None, present: Callable[[], set[str]]) -> tuple[str, ...] | None:
    if examples is None:
        return None
    from pipeline.history.users import read_members  # noqa: PLC0415 (loads feedback's dependencies)

    return tuple(sorted(read_members(examples.artifact).contributors - present()))


def find_makers(runs: list[Run]) -> dict[int, Origin]:
    """The run and component that made each artifact, by its id, oldest first; reuse from the cache does not count."""
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
