"""Submits a compiled job to Vertex AI."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.vertex.custom_job import place
from pipeline.vertex.job import FOLDERS, VertexError, load_job, quiet_clients
from pipeline.vertex.service import Target, check_region, find_credentials, refusals

if TYPE_CHECKING:
    from google.auth.credentials import Credentials


def submit(
    path: Path,
    target: Target,
    parameters: Mapping[str, str],
    *,
    enable_caching: bool | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Submits a compiled job, with values of its runtime parameters. Several training machines run in the same target.

    Args:
        enable_caching: for all components; None to keep the compiled settings.
        dry_run: only build the request: no login, no network.

    Returns:
        The PipelineJob resource of Vertex AI's API, as JSON values.

    Raises:
        VertexError: a folder is not in a bucket, credentials or a bucket are missing, or Vertex AI refuses.
    """
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415

    job = load_job(path)
    root = job["runtimeConfig"]["gcsOutputDirectory"]
    folders = {"root": root, **{name: parameters[name] for name in FOLDERS}}
    for name, folder in folders.items():
        if not re.match("gs://[^/]", folder):
            option = "--root of `digits vertex compile`" if name == "root" else f"--set {name}="
            raise VertexError(
                f"Vertex AI cannot see {folder}: give a folder in a bucket, gs://BUCKET/FOLDER, with {option}."
            )
    check_region(target.region)
    training = place(json.loads(parameters["training"]), target)
    credentials = AnonymousCredentials() if dry_run else find_credentials()
    with refusals(), quiet_clients():
        from google.cloud.aiplatform import PipelineJob  # noqa: PLC0415 (takes seconds)

        if not dry_run:
            _check_buckets({folder.split("/")[2] for folder in folders.values()}, target, credentials)
        pipeline_job = PipelineJob(
            display_name=job["displayName"],
            template_path=str(path),
            pipeline_root=root,
            parameter_values={**parameters, "training": json.dumps(training)},
            enable_caching=enable_caching,
            encryption_spec_key_name=target.encryption_key,
            labels=job.get("labels"),
            credentials=credentials,
            project=target.project,
            location=target.region,
        )
        request: dict[str, Any] = pipeline_job.to_dict()
        if not dry_run:
            pipeline_job.submit(service_account=target.service_account)
    # (the client adds these to its own request)
    return {**request, "jobId": pipeline_job.job_id, "serviceAccount": target.service_account}


def _check_buckets(names: set[str], target: Target, credentials: Credentials) -> None:
    from google.cloud import storage  # noqa: PLC0415

    client = storage.Client(project=target.project, credentials=credentials)
    for name in sorted(names):
        if not client.bucket(name).exists():
            raise VertexError(
                f"Bucket gs://{name} does not exist. Make it with `gcloud storage buckets create gs://{name} "
                f"--project={target.project} --location={target.region}`."
            )
