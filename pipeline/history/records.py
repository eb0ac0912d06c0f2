"""Records of runs, with components, parameters, artifacts and verdicts. pipeline/history/reading.py reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from models.settings import settings_of
from pipeline.config import USERS_EVALUATOR, Thresholds
from pipeline.thresholds import read_thresholds
from workers import UserError

ERROR_PROPERTY = "error_message"  # custom property of a failed execution: why it failed
FIGURES_PROPERTY = "figures"
"""Custom property of a ModelEvaluation artifact: its figures as JSON, for readers without TensorFlow."""

NOTED_COMMAND, NOTED_SECONDS = "command", "seconds"
"""Custom properties of a run's context: the command as typed, and the run's duration."""

StepState = Literal["done", "cached", "failed", "interrupted"]
RunState = Literal["pushed", "not blessed", "evaluated", "failed", "running", "interrupted"]
Value = str | int | float


class HistoryError(UserError):
    """The history cannot be read or lacks what was asked for."""


@dataclass(frozen=True)
class Artifact:
    """An artifact that a component made."""

    id: int  # its number in ML Metadata
    type: str  # its kind, such as "Model", "ModelRun", "ModelEvaluation", "Examples" or "PushedModel"
    uri: str  # its folder
    properties: dict[str, Value]  # properties and custom properties by name


@dataclass(frozen=True)
class Step:
    """A component in a run."""

    name: str  # the component's id in the graph, such as "Trainer"
    execution: int  # its number in ML Metadata, also the last part of its artifacts' folders
    state: StepState  # a cached step reused the outputs of an earlier run
    started: datetime  # when, UTC
    seconds: float | None  # duration; None until it ends
    parameters: dict[str, Value]  # its execution properties, as in ML Metadata
    inputs: dict[str, tuple[Artifact, ...]]  # the artifacts it read, by input key
    outputs: dict[str, tuple[Artifact, ...]]  # the artifacts it made or reused, by output key
    error: str | None  # why it failed; None if it did not or the reason is unknown


@dataclass(frozen=True)
class Run:
    """A run of the pipeline."""

    run_id: str  # its name in ML Metadata, the UTC time of its start: YYYYMMDD-HHMMSS.micros
    started: datetime  # when, UTC
    # how it ended; "not blessed" also if the bot could not serve the model, "evaluated" if there were no thresholds, as
    # in a comparison
    state: RunState
    steps: tuple[Step, ...]  # its components in the order they ran
    # what `digits run` recorded: NOTED_COMMAND, the thresholds by name, and NOTED_SECONDS
    noted: dict[str, Value] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Step:
        """The component of that id, which the run must have reached."""
        return next(step for step in self.steps if step.name == name)

    def step(self, name: str) -> Step | None:
        """The component of that id; None if the run did not reach it."""
        return next((step for step in self.steps if step.name == name), None)

    def artifact(self, step: str, key: str) -> Artifact | None:
        """The output `key` of a component, such as ("Trainer", "model"); None if there is none."""
        found = self.step(step)
        return next(iter(found.outputs.get(key, ())), None) if found else None

    @property
    def parameters(self) -> dict[str, Any]:
        """The Trainer's configuration (models.recipe.Training.to_config); empty if the run did not reach it."""
        trainer = self.step("Trainer")
        parameters: dict[str, Any] = json.loads(str(trainer.parameters["custom_config"])) if trainer else {}
        return parameters

    @property
    def command(self) -> str | None:
        """The command as the user typed it; None for a run of an earlier release."""
        return str(self.noted[NOTED_COMMAND]) if NOTED_COMMAND in self.noted else None

    @property
    def examples(self) -> Artifact | None:
        """The data, with the properties `source`, `split_sizes` (JSON) and `input_fingerprint`."""
        return self.artifact("MnistExampleGen", "examples")

    @property
    def split_sizes(self) -> dict[str, int]:
        """The number of examples in each split."""
        sizes = self.examples.properties.get("split_sizes", "{}") if self.examples else "{}"
        return dict(json.loads(str(sizes)))

    @property
    def training_seconds(self) -> float | None:
        """Duration of the training; None if it was not finished, or came from the cache."""
        trainer = self.step("Trainer")
        return trainer.seconds if trainer and trainer.state == "done" else None

    @property
    def users(self) -> dict[str, Any] | None:
        """Users' contributions in the run: the snapshot's `digest` and counts; None if there are none."""
        facts = self.examples.properties.get("feedback") if self.examples else None
        users: dict[str, Any] | None = json.loads(str(facts)) if facts else None
        return users

    @property
    def model(self) -> Artifact | None:
        """The exported model; its folder `Format-Serving` holds the SavedModel."""
        return self.artifact("Trainer", "model")

    @property
    def model_run(self) -> Artifact | None:
        """TensorBoard's logs: its folders `train` and `validation`."""
        return self.artifact("Trainer", "model_run")

    @property
    def model_evaluation(self) -> Artifact | None:
        """TFMA's output."""
        return self.artifact("Evaluator", "evaluation")

    @property
    def users_evaluation(self) -> Artifact | None:
        """TFMA's output for users' digits; None in a run without them."""
        return self.artifact(USERS_EVALUATOR, "evaluation")

    @property
    def pushed_model(self) -> Artifact | None:
        """A copy of the pushed model; None if nothing was pushed."""
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
        """The card of the run's copy of the pushed model, else of the export; empty if there is none."""
        from serving_bot.versions.folder import Version, read_card  # noqa: PLC0415 (slower than listing runs)

        kept = [self.pushed_model.uri] if self.pushed_model else []
        kept += [f"{self.model.uri}/Format-Serving"] if self.model else []
        return next(filter(None, (read_card(Version(0, folder)) for folder in kept)), {})

    @property
    def seconds(self) -> float | None:
        """Duration; None until it ends. For runs of earlier releases, up to the end of the last component."""
        if NOTED_SECONDS in self.noted:
            return float(self.noted[NOTED_SECONDS])
        last = self.steps[-1]
        if last.seconds is None:
            return None
        return (last.started - self.started).total_seconds() + last.seconds

    @property
    def thresholds(self) -> dict[str, float]:
        """The fields of pipeline.config.Thresholds that its model had to reach; empty if there were none."""
        noted = {name: float(self.noted[name]) for name in settings_of(Thresholds) if name in self.noted}
        evaluator = self.step("Evaluator")
        if noted or evaluator is None:
            return noted
        check = self.step("ServingCheck")
        serving = json.loads(str(check.parameters.get("thresholds", "{}"))) if check else {}
        # (a run of an earlier release or on Vertex AI)
        return {**read_thresholds(str(evaluator.parameters["eval_config"])), **serving}

    @property
    def blessed(self) -> bool | None:
        """The Evaluator's verdict; None if it did not run or there were no thresholds."""
        blessing = self.artifact("Evaluator", "blessing")
        verdict = blessing.properties.get("blessed") if blessing else None
        return None if verdict is None else verdict == 1

    @property
    def servable(self) -> bool | None:
        """ServingCheck's verdict; None if there is none."""
        blessing = self.artifact("ServingCheck", "blessing")
        return blessing.properties.get("blessed") == 1 if blessing else None

    @property
    def serving_problem(self) -> str | None:
        """Why the bot could not serve the model; None if it can or this was not checked."""
        problem = self._serving_report.get("problem")
        return None if problem is None else str(problem)

    @property
    def picture_misses(self) -> list[str]:
        """The missed thresholds on synthetic pictures, a text each."""
        return list(self._serving_report.get("misses", ()))

    @cached_property
    def _serving_report(self) -> dict[str, Any]:
        """ServingCheck's findings; empty if it blessed the model or did not run."""
        blessing = self.artifact("ServingCheck", "blessing")
        if blessing is None or self.servable:
            return {}
        import fsspec  # noqa: PLC0415 (slower than listing runs)

        try:
            with fsspec.open(f"{blessing.uri}/report.json", encoding="utf-8", mode="r") as file:
                report: dict[str, Any] = json.load(file)
        except (OSError, ValueError):
            return {"problem": f"the report in {blessing.uri} is gone or damaged"}
        return report

    @property
    def figures(self) -> dict[str, Any] | None:
        """The content of components.evaluation.result.EvaluationResult without misclassified examples, as JSON values.

        None if the Evaluator wrote nothing, or an earlier release ran it.
        """
        return _figures(self.model_evaluation)

    @property
    def users_figures(self) -> dict[str, Any] | None:
        """The same for users' digits; None in a run without them."""
        return _figures(self.users_evaluation)


def _figures(artifact: Artifact | None) -> dict[str, Any] | None:
    noted = artifact.properties.get(FIGURES_PROPERTY) if artifact else None
    figures: dict[str, Any] | None = json.loads(str(noted)) if noted is not None else None
    return figures
