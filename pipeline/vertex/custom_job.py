"""Configures TFX's Trainer for Vertex AI custom training on several machines. Builds JSON values only.

That Trainer (tfx.extensions.google_cloud_ai_platform.trainer) reads its `custom_config`, sends a CustomJob and waits
until it ends. Every machine starts TFX's entry point (tfx.scripts.run_executor) with the same arguments. Vertex AI sets
TF_CONFIG on each, from which models/training/distribution.py learns the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compat.tfx_vertex import ENABLE_VERTEX_KEY, TRAINING_ARGS_KEY, VERTEX_REGION_KEY

if TYPE_CHECKING:
    from pipeline.vertex.job import JobConfig
    from pipeline.vertex.service import Target

DISPLAY_NAME = "digits-trainer"
"""Of the CustomJob."""

DEFAULT_MACHINE_TYPE = "n1-standard-8"
"""8 vCPUs and 30 GB; of the family that takes T4 GPUs."""

RESTARTS = "restart_job_on_worker_restart"
"""If a machine is lost, Vertex AI restarts all machines, and the training resumes after the last completed epoch."""


def training_job(job: JobConfig) -> dict[str, Any] | None:
    """The part of the Trainer's `custom_config` besides the training: project, region and CustomJob.

    Returns:
        TFX's keys; under TRAINING_ARGS_KEY a google.cloud.aiplatform_v1.types.CustomJob, JSON values, and its project.
        The first machine is the chief, which writes. None if the Trainer's container trains.
    """
    cluster = job.cluster
    if cluster is None:
        return None
    machine: dict[str, Any] = {"machine_type": cluster.machine_type}
    if job.accelerator:
        machine["accelerator_type"], machine["accelerator_count"] = job.accelerator
    container = {"image_uri": job.trainer_image or job.image}
    pools = [
        {"machine_spec": machine, "replica_count": replicas, "container_spec": container}
        for replicas in (1, cluster.machines - 1)
    ]
    custom_job = {
        "project": cluster.project,
        "display_name": DISPLAY_NAME,
        "job_spec": {"worker_pool_specs": pools, "scheduling": {RESTARTS: True}},
        "labels": job.labels,
    }
    return {ENABLE_VERTEX_KEY: True, VERTEX_REGION_KEY: cluster.region, TRAINING_ARGS_KEY: custom_job}


def place(custom_config: dict[str, Any], target: Target) -> dict[str, Any]:
    """The Trainer's `custom_config`; its CustomJob, if any, runs where the pipeline's job does."""
    if TRAINING_ARGS_KEY not in custom_config:
        return custom_config
    job = {**custom_config[TRAINING_ARGS_KEY], "project": target.project}
    if target.service_account:
        job["job_spec"] = {**job["job_spec"], "service_account": target.service_account}
    if target.encryption_key:
        job["encryption_spec"] = {"kms_key_name": target.encryption_key}
    return {**custom_config, VERTEX_REGION_KEY: target.region, TRAINING_ARGS_KEY: job}
