"""`digits vertex compile`: turns options into the configurations of pipeline and job."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.recipe import Execution, Recipe, Training
from pipeline.cli import options
from pipeline.cli.derived import Given, with_settings
from pipeline.cli.extras import demand
from pipeline.cli.options import beam_engine, stop
from pipeline.cli.vertex_options import Project, Region, pair, place
from pipeline.config import PipelineConfig, Thresholds
from pipeline.vertex.custom_job import DEFAULT_MACHINE_TYPE

if TYPE_CHECKING:
    from pipeline.vertex.job import Cluster, Machine

_YAML = (".yaml", ".yml")

_BUCKET = re.compile("[a-z0-9]+://[^/]")
"""Prefix of an object store's address."""

_LABEL = re.compile(r"([a-z][a-z0-9_-]{0,62})=([a-z0-9_-]{0,63})")
"""Google Cloud's form of a label: resource-manager/docs/labels-overview."""


@with_settings(Training, Recipe, Execution, Thresholds)
def compile_job(
    given: Given,
    image: Annotated[
        str | None,
        typer.Option(
            envvar="DIGITS_IMAGE", help="Address of the image (Dockerfile), with its tag.", show_default=False
        ),
    ] = None,
    root: Annotated[
        str | None,
        typer.Option(
            envvar="DIGITS_ROOT", metavar="gs://BUCKET/FOLDER", help="Folder for artifacts.", show_default=False
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(envvar="DIGITS_DATA", help="Folder of the four IDX files.", show_default="ROOT/data"),
    ] = None,
    push_dir: Annotated[
        str | None,
        typer.Option(
            envvar="DIGITS_PUSH_DIR",
            help="Folder for pushed models.",
            show_default="ROOT/serving_model",
        ),
    ] = None,
    model: options.Model = options.DEFAULT_MODEL,
    feedback: options.Feedback = None,
    trust: options.Trust = 0,
    max_users_drop: options.MaxUsersDrop = 0.0,
    baseline: options.Baseline = "latest",
    beam_runner: options.BeamRunner = "direct",
    beam_workers: options.BeamWorkers = None,
    beam_image: options.BeamImage = None,
    beam_arg: options.BeamArg = None,
    schema_file: Annotated[
        str | None,
        typer.Option(help="Path of the reviewed schema in the containers.", show_default="the image's"),
    ] = None,
    accelerator: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE:COUNT",
            help="GPUs of each machine that trains, such as NVIDIA_TESLA_T4:1.",
            show_default=False,
        ),
    ] = None,
    trainer_image: Annotated[
        str | None, typer.Option(help="Image for training, with CUDA.", show_default="--image")
    ] = None,
    train_machines: Annotated[
        int,
        typer.Option(
            min=1,
            help="Machines that train one network together. With 2 or more, the Trainer starts a Vertex AI custom "
            "training job in --project and --region, and waits for it.",
        ),
    ] = 1,
    train_machine_type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE", help="Machine type of each of several --train-machines.", show_default=DEFAULT_MACHINE_TYPE
        ),
    ] = None,
    project: Project = None,
    region: Region = None,
    machine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COMPONENT=CPUS,GB",
            help="Minimum vCPUs and GB of memory for a component, such as Trainer=8,30; repeatable.",
            show_default=False,
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Label of the job; repeatable.", show_default=False),
    ] = None,
    no_cache: options.NoCache = False,
    output: Annotated[
        Path,
        typer.Option(dir_okay=False, help="Job file for Vertex AI; *.yaml for your own Kubeflow Pipelines."),
    ] = Path("job.json"),
) -> None:
    """Write the pipeline as a job file. Needs neither login nor network.

    Model, training, thresholds, data and push folder become the job's defaults; `digits vertex submit --set` changes
    them.
    """
    from pipeline.users_digits import expect_users_digits
    from pipeline.vertex.job import IMAGE_SCHEMA_FILE, JobConfig, compile_in_child

    demand("tfx", "kfp", "google.cloud.aiplatform")
    if image is None:
        stop("No image. Build and push it (docs/vertex.md), then give its address in --image or DIGITS_IMAGE.")
    if root is None or not _BUCKET.match(root):
        stop("The containers cannot see this machine's folders: give --root a folder in a bucket, gs://BUCKET/FOLDER.")
    if output.suffix in _YAML and baseline == "latest":
        stop("Kubeflow Pipelines cannot look up a baseline: add --baseline none for a YAML file.")
    root = root.rstrip("/")
    if beam_runner != "direct" and beam_image is None:
        stop("Beam's workers need a separate image: build it (docs/vertex.md), then give its address in --beam-image.")
    config = PipelineConfig(
        data=_remote(data or f"{root}/data", "--data"),
        root=root,
        push_dir=_remote(push_dir or f"{root}/serving_model", "--push-dir"),
        training=Training.choose(model, given.of(Training, Recipe, Execution)),
        thresholds=Thresholds(**given.of(Thresholds)),
        baseline=baseline,
        users=expect_users_digits(_remote(feedback, "--feedback"), trust, max_users_drop) if feedback else None,
        schema_file=schema_file or IMAGE_SCHEMA_FILE,
        enable_cache=not no_cache,
        beam_args=beam_engine(beam_runner, root, beam_workers, beam_image, beam_arg),
    )
    job = JobConfig(
        image=image,
        trainer_image=trainer_image,
        accelerator=_accelerator(accelerator) if accelerator else None,
        machines=dict(map(_machine, machine or ())),
        labels=dict(map(_label, label or ())),
    )
    if train_machines > 1:
        job = replace(job, cluster=_cluster(train_machines, train_machine_type, project, region, job.machines))
    elif train_machine_type:
        stop("--train-machine-type is for several --train-machines: give one machine's size as --machine Trainer=8,30.")
    compiled = compile_in_child(config, job)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(_serialise(compiled, output), encoding="utf-8")
    except OSError as error:
        stop(f"{output} cannot be written: {error.strerror}.")
    typer.echo(f"{output}: {len(compiled['pipelineSpec']['root']['dag']['tasks'])} tasks, image {image}.")


def _cluster(
    machines: int,
    machine_type: str | None,
    project: str | None,
    region: str | None,
    sizes: Mapping[str, Machine],
) -> Cluster:
    from pipeline.vertex.job import Cluster

    if "Trainer" in sizes:
        stop("Several --train-machines are sized by --train-machine-type: leave --machine Trainer=... out.")
    return Cluster(machines, machine_type or DEFAULT_MACHINE_TYPE, *place(project, region))


def _remote(folder: str, option: str) -> str:
    if not _BUCKET.match(folder):
        stop(
            f"The containers cannot see this machine's folders: give {option} a folder in a bucket, gs://BUCKET/FOLDER."
        )
    return folder


def _accelerator(text: str) -> tuple[str, int]:
    from pipeline.vertex.job import known_accelerators

    kind, _, count = text.partition(":")
    if not re.fullmatch("[1-9][0-9]?", count):
        raise typer.BadParameter(f"{text!r} is not TYPE:COUNT, such as NVIDIA_TESLA_T4:1.", param_hint="--accelerator")
    known = known_accelerators()
    if kind not in known:
        raise typer.BadParameter(f"Vertex AI has no {kind}; it has {', '.join(known)}.", param_hint="--accelerator")
    return kind, int(count)


def _machine(text: str) -> tuple[str, Machine]:
    from pipeline.vertex.job import Machine

    form = "COMPONENT=CPUS,GB, such as Trainer=8,30"
    name, size = pair(text, "--machine", form)
    match = re.fullmatch(r"([0-9.]+),([0-9.]+)", size)
    try:
        cpus, memory = map(float, match.groups() if match else ())
    except ValueError:
        cpus = memory = 0.0
    if cpus <= 0 or memory <= 0:
        raise typer.BadParameter(f"{text!r} is not {form}.", param_hint="--machine")
    return name, Machine(cpus, memory)


def _label(text: str) -> tuple[str, str]:
    match = _LABEL.fullmatch(text)
    if not match:
        raise typer.BadParameter(
            f"{text!r} is not KEY=VALUE of lower-case letters, digits, - and _, at most 63 each.", param_hint="--label"
        )
    return match[1], match[2]


def _serialise(job: dict[str, Any], output: Path) -> str:
    """Vertex AI takes the whole job; Kubeflow Pipelines' client takes only the pipeline in it, as YAML."""
    if output.suffix not in _YAML:
        return json.dumps(job, indent=2, sort_keys=True) + "\n"
    import yaml

    text: str = yaml.safe_dump(job["pipelineSpec"], sort_keys=True)
    return text
