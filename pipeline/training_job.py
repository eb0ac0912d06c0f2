"""Vertex AI custom training over several machines: what TFX's Trainer for it sends as a CustomJob. Builds text only.

Every machine starts TFX's own entry point with the same arguments (tfx.scripts.run_executor) and Vertex AI sets
TF_CONFIG on each, from which models/distribution.py learns who else trains.
"""

from __future__ import annotations

from typing import Any

RESTARTS = "restart_job_on_worker_restart"
"""A machine that was lost ends the training of all: Vertex AI starts all again, and they go on from the last epoch."""


def training_args(
    project: str,
    image: str,
    *,
    machines: int,
    machine_type: str = "n1-standard-8",
    accelerator: tuple[str, int] | None = None,
    service_account: str | None = None,
    kms_key: str | None = None,
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A google.cloud.aiplatform_v1.types.CustomJob, and its project, as TFX's TRAINING_ARGS_KEY takes it.

    Args:
        project: Google Cloud project.
        image: container image with this package, with CUDA where there are accelerators.
        machines: how many train; the first one is the chief, which writes.
        machine_type: of Compute Engine.
        accelerator: kind as AcceleratorType names it, and how many on each machine.
        service_account: that the machines run as; None for Vertex AI's default.
        kms_key: resource name of the key that encrypts the job.
        labels: of the job.

    Raises:
        ValueError: there is no machine.
    """
    if machines < 1:
        raise ValueError(f"{machines} machines cannot train: one is the least.")
    machine: dict[str, Any] = {"machine_type": machine_type}
    if accelerator:
        machine["accelerator_type"], machine["accelerator_count"] = accelerator
    pools = [
        {"machine_spec": dict(machine), "replica_count": replicas, "container_spec": {"image_uri": image}}
        for replicas in (1, machines - 1)
        if replicas
    ]
    spec: dict[str, Any] = {"worker_pool_specs": pools, "scheduling": {RESTARTS: True}}
    if service_account:
        spec["service_account"] = service_account
    job: dict[str, Any] = {"project": project, "display_name": "digits-trainer", "job_spec": spec}
    if kms_key:
        job["encryption_spec"] = {"kms_key_name": kms_key}
    return {**job, "labels": dict(labels or {})}
