"""Compiles the pipeline into a job for Vertex AI or Kubeflow Pipelines: no login, no network."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig
from tfx.orchestration.pipeline import Pipeline

from compat.kfp import ResourceSpec
from pipeline.config import PipelineConfig
from pipeline.graph import create_pipeline
from pipeline.vertex.custom_job import training_job
from pipeline.vertex.job import JobConfig, VertexError

_TRAINER = "Trainer"
_NEVER_CACHED = "VersionedPusher"
"""Never cached: a cached push would not restore a deleted version."""


class UnknownComponentError(VertexError):
    """The named component does not exist; the message lists the existing ones."""


def compile_job(config: PipelineConfig, job: JobConfig) -> dict[str, Any]:
    """Compiles the pipeline.

    Args:
        config: the pipeline; its folders must be visible to the containers, so gs:// on Vertex AI. Data, push folder,
            schema file, training and thresholds become the defaults of runtime parameters.
        job: the containers.

    Returns:
        A PipelineJob of Kubeflow Pipelines (pipeline_spec.proto, schema 2.1.0) as JSON values, which Vertex AI takes.

    Raises:
        UnknownComponentError: a machine is given for an unknown component.
    """
    pipeline = create_pipeline(config, "kubeflow", training_job(job))
    defaults = _runtime_defaults(pipeline)
    runner = KubeflowV2DagRunner(KubeflowV2DagRunnerConfig(default_image=job.image, use_pipeline_spec_2_1=True))
    compiled: dict[str, Any] = runner.run(pipeline, parameter_values=defaults, write_out=False)
    spec = compiled["pipelineSpec"]
    # TFX puts the defaults beside the pipeline, where only Vertex AI's client reads them.
    for name, value in defaults.items():
        spec["root"]["inputDefinitions"]["parameters"][name]["defaultValue"] = value
    # (Vertex AI's cache does not see a changed feedback folder)
    for name in (_NEVER_CACHED, *(["MnistExampleGen"] if config.users else [])):
        spec["root"]["dag"]["tasks"][name].pop("cachingOptions", None)
    containers = {
        name: spec["deploymentSpec"]["executors"][component["executorLabel"]].get("container")
        for name, component in spec["components"].items()
    }
    containers = {name: container for name, container in containers.items() if container}
    # Not Trainer(...).with_platform_config(): TFX drops it for example gens.
    for name, resources in _resources(job).items():
        if name not in containers:
            raise UnknownComponentError(f"Unknown component {name}; choose {', '.join(sorted(containers))}.")
        containers[name]["resources"] = json_format.MessageToDict(resources)
    if job.trainer_image and not job.cluster:
        containers[_TRAINER]["image"] = job.trainer_image
    compiled["labels"] = {**compiled.get("labels", {}), **job.labels}
    return compiled


def _runtime_defaults(pipeline: Pipeline) -> dict[str, str]:
    properties = [value for component in pipeline.components for value in component.exec_properties.values()]
    return {value.name: value.default for value in properties if isinstance(value, RuntimeParameter)}


def _resources(job: JobConfig) -> dict[str, Any]:
    resources = {
        name: ResourceSpec(cpu_limit=machine.cpus, memory_limit=machine.memory)
        for name, machine in job.machines.items()
    }
    if job.accelerator and not job.cluster:  # (a cluster's machines have the accelerators)
        kind, count = job.accelerator
        accelerator = ResourceSpec.AcceleratorConfig(type=kind, count=count)
        resources.setdefault(_TRAINER, ResourceSpec()).accelerator.CopyFrom(accelerator)
    return resources
