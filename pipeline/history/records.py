"""What was run: a run, its components, parameters, artifacts and verdicts. pipeline/history/reading.py reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from models.settings import settings_of
from pipeline.config import Thresholds
from pipeline.thresholds import read_thresholds
from workers import UserError

ERROR_PROPERTY = "error_message"  # custom property of a failed execution: why it failed
FIGURES_PROPERTY = "figures"
"""Custom property of a ModelEvaluation artifact: its figures as JSON, for whoever must not load TensorFlow."""

NOTED_COMMAND, NOTED_SECONDS = "command", "seconds"
"""Custom properties of a run's context: the command as it was given, and how long the run took."""

StepState = Literal["done", "cached", "failed", "interrupted"]
RunState = Literal["pushed", "not blessed", "evaluated", "failed", "running", "interrupted"]
Value = str | int | float


class HistoryError(UserError):
    """The history cannot be read or has not what is asked for."""


@dataclass(frozen=True)
class Artifact:
    """What a component made."""

    id: int  # its number in ML Metadata
    type: str  # its kind, such as "Model", "ModelRun", "ModelEvaluation", "Examples" or "PushedModel"
    uri: str  # its folder
    properties: dict[str, Value]  # properties and custom properties by name


@dataclass(frozen=True)
class Step:
    """A component in a run."""

    name: str  # the component's id in the graph, such as "Trainer"
    execution: int  # its number in ML Metadata, which is also the last part of its artifacts' folders
    state: StepState  # how it went; a cached one took over what an earlier run had made
    started: datetime  # when, UTC
    seconds: float | None  # how long it took, None while it has not ended
    parameters: dict[str, Value]  # its execution properties, as ML Metadata keeps them
    inputs: dict[str, tuple[Artifact, ...]]  # the artifacts it read, by input key
    outputs: dict[str, tuple[Artifact, ...]]  # the artifacts it made or took over, by output key
    error: str | None  # why it failed, None where it did not or nobody noted it


@dataclass(frozen=True)
class Run:
    """A run of the pipeline."""

    run_id: str  # its name in ML Metadata, the UTC time of its start: YYYYMMDD-HHMMSS.micros
    started: datetime  # when, UTC
    # how it ended. "not blessed" is also said where the bot could not serve the model, "evaluated" where nothing was
    # demanded, as in a comparison
    state: RunState
    steps: tuple[Step, ...]  # its components in the order they were run
    # what `digits run` noted of it: NOTED_COMMAND, the thresholds by name, and NOTED_SECONDS
    noted: dict[str, Value] = field(default_factory=dict)

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
    def command(self) -> str | None:
        """The command as the user gave it, None for a run of an earlier release."""
        return str(self.noted[NOTED_COMMAND]) if NOTED_COMMAND in self.noted else None

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
        """How long it took, None while it has not ended; of earlier releases up to the end of the last component."""
        if NOTED_SECONDS in self.noted:
            return float(self.noted[NOTED_SECONDS])
        last = self.steps[-1]
        if last.seconds is None:
            return None
        return (last.started - self.started).total_seconds() + last.seconds

    @property
    def thresholds(self) -> dict[str, float]:
        """The fields of pipeline.config.Thresholds that its model had to reach; empty where it had to reach none."""
        noted = {name: float(self.noted[name]) for name in settings_of(Thresholds) if name in self.noted}
        evaluator = self.step("Evaluator")
        if noted or evaluator is None:
            return noted
        check = self.step("ServingCheck")
        serving = json.loads(str(check.parameters.get("thresholds", "{}"))) if check else {}
        # of an earlier release, or of Vertex AI
        return {**read_thresholds(str(evaluator.parameters["eval_config"])), **serving}

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
        report = self._serving_report()
        return None if report is None or report["problem"] is None else str(report["problem"])

    @property
    def picture_misses(self) -> list[str]:
        """Which thresholds on made pictures the model misses, a sentence each."""
        return list((self._serving_report() or {}).get("misses", ()))

    def _serving_report(self) -> dict[str, Any] | None:
        """What ServingCheck found; None where it blessed the model or nobody tried."""
        blessing = self.artifact("ServingCheck", "blessing")
        if blessing is None or self.servable:
            return None
        import fsspec  # noqa: PLC0415 (takes longer than a list of runs)

        try:
            with fsspec.open(f"{blessing.uri}/report.json", encoding="utf-8", mode="r") as file:
                report: dict[str, Any] = json.load(file)
        except (OSError, ValueError):
            return {"problem": f"the report in {blessing.uri} is gone or damaged"}
        return report

    @property
    def figures(self) -> dict[str, Any] | None:
        """What components.evaluation.result.EvaluationResult holds, but for the misclassified examples, as JSON values.

        None where the Evaluator wrote nothing, or an earlier release ran it.
        """
        artifact = self.model_evaluation
        noted = artifact.properties.get(FIGURES_PROPERTY) if artifact else None
        figures: dict[str, Any] | None = json.loads(str(noted)) if noted is not None else None
        return figures
