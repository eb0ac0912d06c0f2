"""Configures TFX's Trainer for Vertex AI custom training on several machines. Builds JSON values only.

That Trainer (tfx.extensions.google_cloud_ai_platform.trainer) reads its `custom_config`, sends a CustomJob and waits
until it ends. Every machine starts TFX's entry point (tfx.scripts.run_executor) with the same arguments. Vertex AI sets
TF_CONFIG on each, from which models/training/distribution.py learns the cluster.
"""

from __future__ import annotations

from typing import Any

from compat.tfx_vertex import ENABLE_VERTEX_KEY, TRAINING_ARGS_KEY, VERTEX_REGION_KEY

DISPLAY_NAME = "digits-trainer"
"""Of the CustomJob."""

DEFAULT_MACHINE_TYPE = "n1-standard-8"
"""8 vCPUs and 30 GB; of the family that takes T4 GPUs."""

RESTARTS = "restart_job_on_worker_restart"
"""If a machine is lost, Vertex AI restarts all machines, and the training resumes after the last completed epoch."""


def training_job(
    project: str,
    region: str,
    image: str,
    *,
    machines: int,
    machine_type: str = DEFAULT_MACHINE_TYPE,
    accelerator: tuple[str, int] | None = None,
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The part of the Trainer's `custom_config` besides the training: project, region and CustomJob.

    Args:
        project: Google Cloud project.
        region: location of Vertex AI.
        image: container image with this package, with CUDA if there are accelerators.
        machines: number of machines; the first is the chief, which writes.
        machine_type: of Compute Engine.
        accelerator: kind (a name of AcceleratorType) and number per machine.
        labels: of the CustomJob.

    Returns:
        TFX's keys; under TRAINING_ARGS_KEY a google.cloud.aiplatform_v1.types.CustomJob, JSON values, and its project.

    Raises:
        ValueError: there are fewer than two machines.
    """
    if machines < 2:
        raise ValueError(f"Training on several machines needs at least 2, not {machines}.")
    machine: dict[str, Any] = {"machine_type": machine_type}
    if accelerator:
        machine["accelerator_type"], machine["accelerator_count"] = accelerator
    pools = [
        {"machine_spec": dict(machine), "replica_count": replicas, "container_spec": {"image_uri": image}}
        for replicas in (1, machines - 1)
    ]
    job = {
        "project": project,
        "display_name": DISPLAY_NAME,
        "job_spec": {"worker_pool_specs": pools, "scheduling": {RESTARTS: True}},
        "labels": dict(labels or {}),
    }
    return {ENABLE_VERTEX_KEY: True, VERTEX_REGION_KEY: region, TRAINING_ARGS_KEY: job}


def place(
    custom_config: dict[str, Any],
    project: str,
    region: str,
    *,
    service_account: str | None = None,
    kms_key: str | None = None,
) -> dict[str, Any]:
    """The same `custom_config`; its CustomJob, if any, gets the project, region and account of the pipeline's job.

    Args:
        custom_config: of the Trainer.
        project: Google Cloud project.
        region: location of Vertex AI.
        service_account: account of the machines; None for Vertex AI's default.
        kms_key: resource name of the key that encrypts the job.
    """
    if TRAINING_ARGS_KEY not in custom_config:
        return custom_config
    job = {**custom_config[TRAINING_ARGS_KEY], "project": project}
    if service_account:
        job["job_spec"] = {**job["job_spec"], "service_account": service_account}
    if kms_key:
        job["encryption_spec"] = {"kms_key_name": kms_key}
    return {**custom_config, VERTEX_REGION_KEY: region, TRAINING_ARGS_KEY: job}
