"""A submitted job in Google's types; calls to Google are answered locally."""

import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import google.auth
import pytest
from google.api_core.exceptions import NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.cloud.aiplatform_v1.types import CustomJob, PipelineJob, PipelineState, PipelineTaskDetail

from pipeline.vertex.following import LogEntry, Status, Task, logs, status
from pipeline.vertex.job import VertexError
from pipeline.vertex.service import Target

TARGET = Target("proj", "europe-west4")
START = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


@pytest.fixture
def login(monkeypatch):
    monkeypatch.setattr(google.auth, "default", lambda scopes: (AnonymousCredentials(), "proj"))


@pytest.fixture
def found(monkeypatch, login):
    """The responses for the newest job."""
    detail = PipelineTaskDetail
    tasks = [
        detail(
            task_name="Trainer",
            state=detail.State.FAILED,
            start_time=START + timedelta(minutes=3),
            end_time=START + timedelta(minutes=5),
            error={"code": 3, "message": "no quota for NVIDIA_TESLA_T4"},
            executor_detail={"container_detail": {"main_job": "projects/1/locations/l/customJobs/72"}},
        ),
        detail(
            task_name="MnistExampleGen",
            state=detail.State.SUCCEEDED,
            start_time=START + timedelta(minutes=1),
            end_time=START + timedelta(minutes=2, seconds=3),
            executor_detail={"container_detail": {"main_job": "projects/1/locations/l/customJobs/71"}},
        ),
        detail(task_name="Evaluator", state=detail.State.NOT_TRIGGERED),
    ]
    job = PipelineJob(
        name="projects/proj/locations/europe-west4/pipelineJobs/digits-1",
        display_name="digits",
        state=PipelineState.PIPELINE_STATE_FAILED,
        create_time=START,
        error={"code": 9, "message": "The DAG failed."},
        job_detail={"task_details": tasks},
    )
    asked = []
    monkeypatch.setattr(
        PipelineServiceClient, "list_pipeline_jobs", lambda client, request: asked.append(request) or [job]
    )
    monkeypatch.setattr(PipelineServiceClient, "get_pipeline_job", lambda client, name, **rest: job)
    return asked


def test_the_newest_job_is_described(found):
    found_status = status(TARGET)

    assert (found_status.job_id, found_status.state, found_status.error) == ("digits-1", "failed", "The DAG failed.")
    assert found_status.console.endswith("/locations/europe-west4/pipelines/runs/digits-1?project=proj")
    assert found_status.tasks == (
        Task("MnistExampleGen", "succeeded", 63, "", "71"),
        Task("Trainer", "failed", 120, "no quota for NVIDIA_TESLA_T4", "72"),
        Task("Evaluator", "not triggered", None, "", ""),
    )
    assert 'display_name="digits"' in str(found[0]["filter"])


def test_a_missing_job_is_reported(found, monkeypatch):
    def missing(client, name, **rest):
        raise NotFound("The PipelineJob does not exist.")

    monkeypatch.setattr(PipelineServiceClient, "get_pipeline_job", missing)

    with pytest.raises(VertexError, match=r"No job digits-0 in project proj, region europe-west4: .* without a job"):
        status(TARGET, "digits-0")


def entry(job_id, **content):
    labels = {"job_id": job_id}
    return {"timestamp": "2026-11-22T12:01:00Z", "resource": {"type": "ml_job", "labels": labels}, **content}


@pytest.fixture
def logging_api():
    """Cloud Logging on 127.0.0.1: the requests it received, and its responses in order."""
    got, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            code, answer = answers.pop(0)
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *args):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got, answers
    server.shutdown()
    server.server_close()


@pytest.fixture
def custom_jobs(monkeypatch, login):
    """The queries for the project's CustomJobs, and the response: none, unless a test adds some."""
    asked, jobs = [], []
    monkeypatch.setattr(JobServiceClient, "list_custom_jobs", lambda client, request: asked.append(request) or jobs)
    return asked, jobs


def custom_job(number, folder):
    chief = {
        "replica_count": 1,
        "container_spec": {"image_uri": "digits:1", "args": ["--outputs", f'{{"uri": "{folder}"}}']},
    }
    return CustomJob(
        name=f"projects/1/locations/europe-west4/customJobs/{number}",
        display_name="digits-trainer",
        job_spec={"worker_pool_specs": [chief]},
    )


STATUS = Status(
    job_id="digits-1",
    state="running",
    console="https://page",
    created="2026-11-22T12:00:00+00:00",
    error="",
    tasks=(Task("MnistExampleGen", "succeeded", 63, "", "71"), Task("Trainer", "running", None, "", "72")),
)


def test_logs_are_read_page_by_page(custom_jobs, logging_api):
    address, got, answers = logging_api
    page = {"entries": [entry("71", severity="INFO", textPayload="read 60,000\n")], "nextPageToken": "more"}
    last = {"entries": [entry("72", severity="ERROR", jsonPayload={"message": "killed"}), entry("72")]}
    answers += [(200, page), (200, last)]

    entries = list(logs(TARGET, STATUS, address=address))

    time = "2026-11-22T12:01:00Z"
    assert entries == [
        LogEntry(time, "MnistExampleGen", "INFO", "read 60,000"),
        LogEntry(time, "Trainer", "ERROR", "killed"),
        LogEntry(time, "Trainer", "DEFAULT", ""),
    ]
    (path, first), (_, second) = got
    assert path == "/v2/entries:list"
    assert first["resourceNames"] == ["projects/proj"]
    assert first["filter"] == (
        'resource.type="ml_job" resource.labels.job_id=("71" OR "72") timestamp>="2026-11-22T12:00:00+00:00"'
    )
    assert second["pageToken"] == "more"


def test_logs_of_several_machines_belong_to_the_trainer(custom_jobs, logging_api):
    address, got, answers = logging_api
    asked, jobs = custom_jobs
    folder = "gs://bucket/root/1/{}/Trainer_-5/model"
    jobs += [custom_job(90, folder.format("digits-10")), custom_job(91, folder.format("digits-1"))]
    answers += [(200, {"entries": [entry("91", textPayload="epoch 1")]})]

    entries = list(logs(TARGET, STATUS, "Trainer", address))

    assert [(line.task, line.message) for line in entries] == [("Trainer", "epoch 1")]
    assert '=("72" OR "91")' in got[0][1]["filter"]
    assert asked[0]["parent"] == "projects/proj/locations/europe-west4"
    assert asked[0]["filter"] == 'display_name="digits-trainer" AND create_time>="2026-11-22T12:00:00+00:00"'


@pytest.mark.parametrize(
    ("component", "sentence"),
    [
        ("Evaluator", "Evaluator of job digits-1 has run no container yet"),
        ("Trainr", r"has no component Trainr yet; it has Evaluator, MnistExampleGen, Trainer\."),
    ],
)
def test_logs_of_a_component_that_did_not_run(login, component, sentence):
    waiting = replace(STATUS, tasks=(*STATUS.tasks, Task("Evaluator", "pending", None, "", "")))

    with pytest.raises(VertexError, match=sentence):
        list(logs(TARGET, waiting, component))
