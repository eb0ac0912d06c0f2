"""A job file for Vertex AI: its compilation, and the settings that a submission can change."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.recipe import PLATFORM_PREFIX, TRAINING_SETTINGS, Recipe, Training
from models.registry import ARCHITECTURES
from models.settings import SettingError, settings_of
from pipeline.config import PIPELINE_NAME, PipelineConfig, Thresholds, child_environment
from pipeline.thresholds import SERVING, change_thresholds, serving_thresholds
from workers import UserError, ask

IMAGE_SCHEMA_FILE = "/opt/digits/schema.pbtxt"
"""Path of the reviewed schema in the image (Dockerfile)."""

FOLDERS = ("data", "push_dir")
"""Runtime parameters that are folders."""

SETTINGS = ("model", *TRAINING_SETTINGS, *settings_of(Thresholds), *FOLDERS)
"""Settings that a submission may change."""


class VertexError(UserError):
    """Something is missing or was refused."""


@dataclass(frozen=True)
class Machine:
    """Resources of a component's container; Vertex AI takes the smallest machine type that has them."""

    cpus: float  # vCPUs
    memory: float  # GB


@dataclass(frozen=True)
class Cluster:
    """Machines that train one network together, in a Vertex AI CustomJob that the Trainer starts."""

    machines: int  # two or more
    machine_type: str  # of Compute Engine, such as n1-standard-8
    project: str  # Google Cloud project of the CustomJob
    region: str  # location of Vertex AI


@dataclass(frozen=True)
class JobConfig:
    """The containers of a job."""

    image: str  # address of the image of all components
    trainer_image: str | None = None  # the image for training with CUDA, if different
    accelerator: tuple[str, int] | None = None  # kind and number of accelerators of each machine that trains
    machines: dict[str, Machine] = field(default_factory=dict)  # by component; Vertex AI's default elsewhere
    labels: dict[str, str] = field(default_factory=dict)  # of the job, for bills and searches
    cluster: Cluster | None = None  # machines that train; None to train in the Trainer's container


def known_accelerators() -> list[str]:
    """The GPUs that Vertex AI's client knows: AcceleratorType without TPUs, which the image does not support."""
    with quiet_clients():
        from google.cloud.aiplatform_v1.types import AcceleratorType  # noqa: PLC0415 (takes seconds)

    return [name for name in AcceleratorType.__members__ if name.startswith("NVIDIA_")]


def compile_in_child(config: PipelineConfig, job: JobConfig) -> dict[str, Any]:
    """Runs pipeline.vertex.compiler.compile_job in a worker, so TensorFlow's output stays off the screen.

    Raises:
        VertexError: the job names an unknown component, or the compiler failed.
    """
    compiled: dict[str, Any] = ask(
        "pipeline.vertex.compiler:compile_job",
        config,
        job,
        error=VertexError,
        failure="The pipeline could not be compiled",
        environment=child_environment(),
    )
    return compiled


def load_job(path: Path) -> dict[str, Any]:
    """Reads a job file from `digits vertex compile`.

    Raises:
        VertexError: the file is missing or is not a job of this pipeline.
    """
    try:
        job = json.loads(path.read_text(encoding="utf-8"))
        name = job["pipelineSpec"]["pipelineInfo"]["name"]
        job["runtimeConfig"]["parameterValues"]["training"]
    except OSError as error:
        raise VertexError(f"{path} cannot be read ({error.strerror}). `digits vertex compile` makes it.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise VertexError(f"{path} is not a job file: `digits vertex compile --output {path}` makes one.") from error
    if name != PIPELINE_NAME:
        raise VertexError(f"{path} is a job of the pipeline {name!r}, not of {PIPELINE_NAME!r}.")
    return dict(job)


def parameter_values(job: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, str]:
    """The values of the job's runtime parameters with changed settings.

    A changed model brings its own recipe unless the settings override it; thresholds that are not named stay.

    Raises:
        VertexError: a name is not in SETTINGS, or a value is out of its range.
    """
    values = dict(job["runtimeConfig"]["parameterValues"])
    for name in settings:
        if name not in SETTINGS:
            raise VertexError(f"Unknown setting {name!r}; choose {', '.join(SETTINGS)}.")
    try:
        values["training"] = json.dumps(_change_training(json.loads(values["training"]), settings))
        thresholds = {
            name: one.parse(settings[name]) for name, one in settings_of(Thresholds).items() if name in settings
        }
    except SettingError as error:
        raise VertexError(str(error)) from error
    if serving := {name: value for name, value in thresholds.items() if name in SERVING}:
        if "serving_thresholds" not in values:
            raise VertexError(f"The job is of an earlier release, without {', '.join(serving)}: compile it again.")
        values["serving_thresholds"] = serving_thresholds({**json.loads(values["serving_thresholds"]), **serving})
    if others := {name: value for name, value in thresholds.items() if name not in SERVING}:
        values["eval_config"] = change_thresholds(values["eval_config"], others)
    values.update({name: settings[name] for name in FOLDERS if name in settings})
    return values


def _change_training(values: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    """The changed `custom_config` of the Trainer; its cluster, if any, stays."""
    model = settings.get("model")
    if model is not None and model not in ARCHITECTURES:
        raise VertexError(f"Unknown model {model!r}; choose {' or '.join(ARCHITECTURES)}.")
    compiled = Training.from_config(values).to_config()
    source = compiled.pop("source")
    own = compiled.pop("model")
    kept = {name: value for name, value in compiled.items() if not (model and name in settings_of(Recipe))}
    chosen = {name: known.parse(settings[name]) for name, known in TRAINING_SETTINGS.items() if name in settings}
    placed = {name: value for name, value in values.items() if name.startswith(PLATFORM_PREFIX)}
    return Training.choose(model or own, kept | chosen, source).to_config() | placed


@contextmanager
def quiet_clients() -> Iterator[None]:
    """Hides what Google's clients print for developers: end-of-life warnings and progress notes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")
        # Setting a level is not enough: the client sets its own when it submits a TFX pipeline. Fatal errors are
        # raised; the logged ones, such as a bucket of another project, do not stop it.
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
