"""VersionedPusher: TFX's Pusher with versions that never collide, and a card that says what was pushed."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timezone
from typing import Any

from absl import logging
from tfx import types
from tfx.components.pusher import executor as tfx_pusher
from tfx.dsl.components.base import base_component, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils

from components.evaluation.result import read_evaluation
from models.export.layout import CARD_FILE

_MODEL = "saved_model.pb"
"""Copied last: a version without it is not complete, for TF Serving as for the bot."""


class Executor(tfx_pusher.Executor):  # type: ignore[misc]
    """Copies a blessed export to `push_dir/<version>/`."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes unless a blessing is missing, or this very export already lies complete in the folder.

        Versions are seconds since 1970, or one more than the greatest version where the clock is behind it. The folder
        is claimed by making it, so that two pushers cannot share one.
        """
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        export = self.GetModelPath(input_dict)
        card = _read_card(export)
        push_dir = exec_properties["push_dir"]
        version = find_version(push_dir, card["export_id"])
        if version is None:
            version = claim_version(push_dir)
            run_id = exec_properties.get("run_id") or self._context.pipeline_run_id
            card.update(self._card_facts(card, input_dict), run_id=run_id, version=version)
            destination = os.path.join(push_dir, str(version))
            io_utils.copy_dir(export, destination, deny_regex_patterns=[r"saved_model\.pb", r"card\.json"])
            text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
            io_utils.write_string_file(os.path.join(destination, CARD_FILE), text)
            io_utils.copy_file(os.path.join(export, _MODEL), os.path.join(destination, _MODEL))
            logging.info("Pushed %s to %s.", export, destination)
        self._MarkPushed(pushed, os.path.join(push_dir, str(version)), str(version))
        # What was pushed is kept with the run too, whatever becomes of the push folder.
        io_utils.copy_dir(os.path.join(push_dir, str(version)), pushed.uri)

    def _card_facts(self, card: dict[str, Any], input_dict: dict[str, list[Any]]) -> dict[str, Any]:
        """What is known of the export only now: data and evaluation."""
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        evaluation = read_evaluation(artifact_utils.get_single_uri(input_dict["evaluation"]))
        return {
            "data": {
                "source": examples.get_string_custom_property("source"),
                "fingerprint": examples.get_string_custom_property("input_fingerprint"),
                "splits": json.loads(examples.get_string_custom_property("split_sizes")),
            },
            "metrics": {
                **card["metrics"],
                "test_accuracy": evaluation.accuracy,
                "test_loss": evaluation.loss,
                "test_calibration_error": evaluation.calibration_error,
                "test_accuracy_by_digit": {str(k): v for k, v in evaluation.accuracy_by_digit.items()},
            },
            "pushed_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }


def find_version(push_dir: str, export_id: str) -> int | None:
    """The greatest complete version of this export, None where there is none."""
    for version in sorted(_versions(push_dir), reverse=True):
        folder = os.path.join(push_dir, str(version))
        if not (fileio.exists(os.path.join(folder, _MODEL)) and fileio.exists(os.path.join(folder, CARD_FILE))):
            continue
        try:
            if _read_card(folder).get("export_id") == export_id:
                return version
        except (ValueError, AttributeError):
            logging.warning("%s has a damaged card; it is passed over.", folder)
    return None


def claim_version(push_dir: str) -> int:
    """Makes the folder of a version that is greater than all others and returns the version."""
    fileio.makedirs(push_dir)
    while True:
        version = max([int(time.time()), *(existing + 1 for existing in _versions(push_dir))])
        folder = os.path.join(push_dir, str(version))
        try:
            # An object store has no exclusive mkdir; there the check and the clock must do.
            if "://" in push_dir:
                fileio.makedirs(folder)
            else:
                os.mkdir(folder)
        except FileExistsError:
            continue
        return version


def _versions(push_dir: str) -> list[int]:
    names = [name.rstrip("/") for name in fileio.listdir(push_dir)] if fileio.exists(push_dir) else []
    return [int(name) for name in names if name.isascii() and name.isdigit()]


def _read_card(folder: str) -> dict[str, Any]:
    with fileio.open(os.path.join(folder, CARD_FILE), "r") as file:
        card: dict[str, Any] = json.loads(file.read())
    return card


class VersionedPusherSpec(types.ComponentSpec):  # type: ignore[misc]
    """Inputs, outputs and parameters of VersionedPusher."""

    PARAMETERS = {  # noqa: RUF012 (TFX's form)
        "push_dir": component_spec.ExecutionParameter(type=str),
        "run_id": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {  # noqa: RUF012
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {  # noqa: RUF012
        "pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)
    }


class VersionedPusher(base_component.BaseComponent):  # type: ignore[misc]
    """Pushes a model that both blessings allow; see Executor."""

    SPEC_CLASS = VersionedPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        evaluation: types.BaseChannel,
        examples: types.BaseChannel,
        push_dir: str,
        run_id: str | None = None,
    ):
        """Makes the component.

        Args:
            model: the Trainer's export.
            model_blessing: the Evaluator's verdict.
            infra_blessing: ServingCheck's verdict.
            evaluation: the Evaluator's figures, for the card.
            examples: the data, for the card.
            push_dir: folder of versions, local or gs://.
            run_id: the run's name for the card, where the executor is not told it: TFX's entry point for Kubeflow
                Pipelines and Vertex AI leaves it out.
        """
        super().__init__(
            VersionedPusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                evaluation=evaluation,
                examples=examples,
                push_dir=push_dir,
                run_id=run_id,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
