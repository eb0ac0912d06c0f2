"""VersionedPusher: TFX's Pusher with unique version numbers and a complete model card."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import tensorflow as tf
from absl import logging
from tfx.dsl.io import fileio
from tfx.types import Channel, standard_artifacts

from compat.tfx import (
    BaseComponent,
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
    ExecutorClassSpec,
    PusherExecutor,
    artifact_utils,
    io_utils,
)
from components.evaluation.result import read_evaluation
from components.files import read_bytes, read_json
from models.export.layout import CARD_FILE, MODEL_FILE, is_as_exported
from serving_bot.versions.folder import COMPLETE_MARK, PushFolderError, locked


class PushError(Exception):
    """Nothing could be pushed; the message is for the person who started the run."""


class Executor(PusherExecutor):  # type: ignore[misc]
    """Copies a blessed export to `push_dir/<version>/`."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes unless a blessing is missing, or the folder already holds an undamaged copy of this export.

        A version is the time in seconds since 1970, or one more than the greatest version if the clock is behind it. A
        local folder is locked during the push.

        Raises:
            PushError: the folder cannot be written, or the export is damaged.
        """
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not (self.CheckBlessing(input_dict) and _users_bless(input_dict)):
            self._MarkNotPushed(pushed)
            return
        export = self.GetModelPath(input_dict)
        push_dir = exec_properties["push_dir"]
        run_id = exec_properties.get("run_id") or self._context.pipeline_run_id
        with _explained(f"Nothing was pushed to {push_dir}", push_dir):
            fileio.makedirs(push_dir)
            with locked(push_dir):
                version, damaged = find_version(push_dir, export)
                if version is None:
                    facts = {"run_id": run_id, **({"replaces": damaged} if damaged else {})}
                    version = _copy(export, push_dir, {**self._card_facts(export, input_dict), **facts})
        self._MarkPushed(pushed, os.path.join(push_dir, str(version)), str(version))
        # The run keeps a copy too, in case the push folder changes.
        with _explained(f"Version {version} was pushed, but copying it to the run failed", pushed.uri):
            io_utils.copy_dir(os.path.join(push_dir, str(version)), pushed.uri)

    def _card_facts(self, export: str, input_dict: dict[str, list[Any]]) -> dict[str, Any]:
        """The export's card, completed with data and evaluation."""
        card = read_json(os.path.join(export, CARD_FILE))
        if is_as_exported(card, read_bytes(os.path.join(export, MODEL_FILE))) is False:
            raise PushError(f"{export} was damaged after training: {MODEL_FILE} does not match its card.")
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        evaluation = read_evaluation(artifact_utils.get_single_uri(input_dict["evaluation"]))
        serving = read_json(os.path.join(artifact_utils.get_single_uri(input_dict["infra_blessing"]), "report.json"))
        return {
            **card,
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
                **{name: serving[name] for name in ("pages_accuracy", "pages_wrong", "refusal") if name in serving},
            },
            **_users_facts(examples, input_dict),
            "pushed_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }


def _users_bless(input_dict: dict[str, list[Any]]) -> bool:
    """Whether the model was blessed on users' digits, or was not judged by them."""
    blessings = input_dict.get("users_blessing") or ()
    return all(blessing.get_int_custom_property("blessed") == 1 for blessing in blessings)


def _users_facts(examples: Any, input_dict: dict[str, list[Any]]) -> dict[str, Any]:
    """Facts for the card: the users' contributions in the training, and the accuracy on other users' digits."""
    facts = examples.get_string_custom_property("feedback")
    if not facts:
        return {}
    feedback = json.loads(facts)
    evaluations = input_dict.get("users_evaluation")
    if evaluations:
        evaluation = read_evaluation(artifact_utils.get_single_uri(evaluations))
        feedback |= {"accuracy": evaluation.accuracy, "baseline_accuracy": evaluation.baseline_accuracy}
    return {"feedback": feedback}


def find_version(push_dir: str, export: str) -> tuple[int | None, int | None]:
    """The latest version that is an undamaged copy of an export, and the latest that is a damaged copy.

    Either is None if there is no such version. Incomplete copies, which nothing serves, are skipped.
    """
    export_id = read_json(os.path.join(export, CARD_FILE))["export_id"]
    damaged = None
    for version in sorted(_versions(push_dir), reverse=True):
        folder = os.path.join(push_dir, str(version))
        card_file = os.path.join(folder, CARD_FILE)
        if not (fileio.exists(os.path.join(folder, COMPLETE_MARK)) and fileio.exists(card_file)):
            continue
        try:
            card = read_json(card_file)
        except ValueError as error:
            logging.warning("Skipping a damaged card: %s.", error)
            continue
        if card.get("export_id") != export_id:
            continue
        if _is_whole(folder, card, export):
            return version, damaged
        logging.warning("%s is a damaged copy of %s; pushing it again.", folder, export)
        damaged = damaged or version
    return None, damaged


def _is_whole(folder: str, card: dict[str, Any], export: str) -> bool:
    """Whether a pushed version has every file of its export, byte for byte, except the card, which has more."""
    for parent, _, names in fileio.walk(export):
        for name in names:
            path = os.path.join(parent, name)
            inside = os.path.relpath(path, export)
            copy = os.path.join(folder, inside)
            if inside != CARD_FILE and not (fileio.exists(copy) and read_bytes(copy) == read_bytes(path)):
                return False
    return is_as_exported(card, read_bytes(os.path.join(folder, MODEL_FILE))) is not False


@contextmanager
def _explained(what: str, folder: str) -> Iterator[None]:
    """Turns a file system's error into a sentence. ("from None", because a run shows the first error of a chain)"""
    try:
        yield
    except PushFolderError as error:
        raise PushError(f"{what}: {error}") from None
    except tf.errors.OpError as error:  # raised by TFX's file access
        raise PushError(f"{what}: {error.message}.") from None
    except OSError as error:
        raise PushError(f"{what}: {error.strerror or error} ({error.filename or folder}).") from None


def _copy(export: str, push_dir: str, card: dict[str, Any]) -> int:
    """Copies an export to a new version, which it returns; writes the completion mark last."""
    version = claim_version(push_dir)
    destination = os.path.join(push_dir, str(version))
    io_utils.copy_dir(export, destination, deny_regex_patterns=[r"saved_model\.pb", r"card\.json"])
    text = json.dumps({**card, "version": version}, indent=2, ensure_ascii=False) + "\n"
    io_utils.write_string_file(os.path.join(destination, CARD_FILE), text)
    part = os.path.join(destination, f"{COMPLETE_MARK}.part")
    io_utils.copy_file(os.path.join(export, COMPLETE_MARK), part)
    fileio.rename(part, os.path.join(destination, COMPLETE_MARK))
    logging.info("Pushed %s to %s.", export, destination)
    return version


def claim_version(push_dir: str) -> int:
    """Makes the folder of a new greatest version, and returns the version.

    Making the folder claims the version even if the push folder is not locked.
    """
    fileio.makedirs(push_dir)
    while True:
        version = max([int(time.time()), *(existing + 1 for existing in _versions(push_dir))])
        folder = os.path.join(push_dir, str(version))
        try:
            # Object stores lack exclusive mkdir; there the check and the clock must suffice.
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


class VersionedPusherSpec(ComponentSpec):  # type: ignore[misc]
    """Inputs, outputs and parameters of VersionedPusher."""

    PARAMETERS = {  # noqa: RUF012 (TFX's form)
        "push_dir": ExecutionParameter(type=str),  # folder of versions, local or gs://
        # The run's name for the card, if the executor does not know it: TFX's entry point for Kubeflow Pipelines and
        # Vertex AI omits it.
        "run_id": ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {  # noqa: RUF012
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
        # The Evaluator's figures and the data are for the card; those on users' digits are None if there are none.
        "users_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
        "users_evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {  # noqa: RUF012
        "pushed_model": ChannelParameter(type=standard_artifacts.PushedModel)
    }


class VersionedPusher(BaseComponent):  # type: ignore[misc]
    """Pushes a model that all blessings allow; see Executor."""

    SPEC_CLASS = VersionedPusherSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, **inputs: Any):
        """Makes the component, with the inputs and parameters of VersionedPusherSpec."""
        super().__init__(VersionedPusherSpec(**inputs, pushed_model=Channel(type=standard_artifacts.PushedModel)))
