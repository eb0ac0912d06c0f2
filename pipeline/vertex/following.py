"""A submitted job: its state and its logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.config import PIPELINE_NAME
from pipeline.vertex.custom_job import DISPLAY_NAME
from pipeline.vertex.job import VertexError, quiet_clients
from pipeline.vertex.service import Target, check_region, console_page, find_credentials, refusals

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud.aiplatform import PipelineJob

LOGGING_API = "https://logging.googleapis.com"

_LOG_PAGE = 1000


@dataclass(frozen=True)
class Task:
    """A component of a submitted job."""

    name: str
    state: str  # in lower case, such as running, succeeded, skipped (from the cache) or failed
    seconds: float | None  # duration; None if it has not started or is running
    error: str  # why it failed; "" if it did not
    log_id: str  # id of the custom job that ran its container; "" if there was none


@dataclass(frozen=True)
class Status:
    """A submitted job."""

    job_id: str
    state: str  # in lower case, such as running, succeeded or failed
    console: str  # its page in the Google Cloud console
    created: str  # creation time, ISO 8601 in UTC
    error: str  # why it failed; "" if it did not
    tasks: tuple[Task, ...]  # in the order of their start


@dataclass(frozen=True)
class LogEntry:
    """A line of a component's log."""

    time: str  # ISO 8601 in UTC
    task: str  # the component
    severity: str  # as Cloud Logging names it, such as INFO or ERROR
    message: str


def status(target: Target, job_id: str | None = None) -> Status:
    """The state of a job; by default, of the newest.

    Raises:
        VertexError: the job does not exist, credentials are missing, or Vertex AI refuses.
    """
    from google.api_core.exceptions import NotFound  # noqa: PLC0415

    check_region(target.region)
    credentials = find_credentials()
    with refusals(), quiet_clients():
        from google.cloud.aiplatform import PipelineJob  # noqa: PLC0415 (takes seconds)

        where: dict[str, Any] = {"project": target.project, "location": target.region, "credentials": credentials}
        if job_id is not None:
            try:
                job = PipelineJob.get(job_id, **where)
            except NotFound as error:
                raise VertexError(
                    f"No job {job_id} in project {target.project}, region {target.region}: "
                    "`digits vertex status` without a job shows the newest."
                ) from error
        else:
            jobs = PipelineJob.list(filter=f'display_name="{PIPELINE_NAME}"', order_by="create_time desc", **where)
            if not jobs:
                raise VertexError(
                    f"No job yet in project {target.project}, region {target.region}: `digits vertex submit` makes one."
                )
            job = jobs[0]
        return _describe(job, target)


def logs(target: Target, found: Status, component: str | None = None, address: str = LOGGING_API) -> Iterator[LogEntry]:
    """The logs of a job's containers, oldest first, from Cloud Logging (entries.list of its REST API, v2).

    Includes the Trainer's machines if several train. With `component`, only that component's.

    Raises:
        VertexError: the component ran no container, credentials are missing, or Cloud Logging refuses.
    """
    from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415

    tasks = {task.log_id: task.name for task in found.tasks if task.log_id and component in (None, task.name)}
    names = {task.name for task in found.tasks}
    if component and names and component not in names:
        raise VertexError(f"Job {found.job_id} has no component {component} yet; it has {', '.join(sorted(names))}.")
    if not tasks:
        which = f"{component} of job {found.job_id}" if component else f"Job {found.job_id}"
        raise VertexError(f"{which} has run no container yet. Its page: {found.console}")
    credentials = find_credentials()
    if "Trainer" in tasks.values():
        tasks |= dict.fromkeys(_training_jobs(target, found, credentials), "Trainer")
    ids = " OR ".join(f'"{log_id}"' for log_id in tasks)
    request: dict[str, Any] = {
        "resourceNames": [f"projects/{target.project}"],
        # Without a time, Cloud Logging would search only the last day.
        "filter": f'resource.type="ml_job" resource.labels.job_id=({ids}) timestamp>="{found.created}"',
        "orderBy": "timestamp asc",
        "pageSize": _LOG_PAGE,
    }
    with refusals(), AuthorizedSession(credentials) as session:
        while True:
            try:
                response = session.post(f"{address}/v2/entries:list", json=request, timeout=60)
                answer = response.json()
            except RequestException as error:
                raise VertexError(
                    f"Cloud Logging cannot be reached: {error}. The job's page: {found.console}"
                ) from error
            if not response.ok:
                reason = answer.get("error", {}).get("message", response.reason)
                raise VertexError(f"Cloud Logging refuses: {reason} The job's page: {found.console}")
            yield from (_log_entry(entry, tasks) for entry in answer.get("entries", ()))
            if not answer.get("nextPageToken"):
                return
            request["pageToken"] = answer["nextPageToken"]


def _training_jobs(target: Target, found: Status, credentials: Credentials) -> list[str]:
    """Ids of the CustomJobs that the job's Trainer sent; the job's id is in the name of their output folder."""
    with refusals(), quiet_clients():
        from google.cloud.aiplatform import CustomJob  # noqa: PLC0415 (takes seconds)

        sent = CustomJob.list(
            filter=f'display_name="{DISPLAY_NAME}" AND create_time>="{found.created}"',
            project=target.project,
            location=target.region,
            credentials=credentials,
        )
        chiefs = {job.name: job.gca_resource.job_spec.worker_pool_specs[0].container_spec for job in sent}
    return [name for name, chief in chiefs.items() if any(f"/{found.job_id}/" in text for text in chief.args)]


def _describe(job: PipelineJob, target: Target) -> Status:
    resource = job.gca_resource
    tasks = sorted(resource.job_detail.task_details, key=lambda task: (task.start_time is None, task.start_time))
    return Status(
        job_id=job.name,
        state=_lower(resource.state.name, "PIPELINE_STATE_"),
        console=console_page(target, job.name),
        created=resource.create_time.isoformat() if resource.create_time else "",
        error=resource.error.message,
        tasks=tuple(map(_task, tasks)),
    )


def _task(detail: Any) -> Task:
    ended = detail.end_time and detail.start_time
    return Task(
        name=detail.task_name,
        state=_lower(detail.state.name, "STATE_"),
        seconds=(detail.end_time - detail.start_time).total_seconds() if ended else None,
        error=detail.error.message,
        log_id=detail.executor_detail.container_detail.main_job.rpartition("/")[2],
    )


def _log_entry(entry: dict[str, Any], tasks: Mapping[str, str]) -> LogEntry:
    return LogEntry(
        time=entry["timestamp"],
        task=tasks[entry["resource"]["labels"]["job_id"]],
        severity=entry.get("severity", "DEFAULT"),
        message=(entry.get("textPayload") or entry.get("jsonPayload", {}).get("message", "")).rstrip(),
    )


def _lower(state: str, prefix: str) -> str:
    return state.removeprefix(prefix).replace("_", " ").lower()
