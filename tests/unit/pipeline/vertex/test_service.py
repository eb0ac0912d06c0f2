"""Google's own clients up to the calls that would leave this machine; those are answered here."""

import json
import re
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import google.auth
import pytest
from google.api_core.exceptions import (
    Forbidden,
    NotFound,
    PermissionDenied,
    RetryError,
    ServiceUnavailable,
    Unauthenticated,
)
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import RefreshError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.cloud.aiplatform_v1.types import CustomJob, PipelineJob, PipelineState, PipelineTaskDetail

from pipeline.vertex import service
from pipeline.vertex.custom_job import training_job
from pipeline.vertex.job import VertexError
from pipeline.vertex.service import LogEntry, Status, Target, Task

TARGET = Target("proj", "europe-west4", "runner@proj.iam.gserviceaccount.com", "projects/p/locations/l/keyRings/r/k")
VALUES = {"training": "{}", "data": "gs://bucket/data", "push_dir": "gs://pushes/models"}
START = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


@pytest.fixture
def job_file(tmp_path):
    names = ("training", "data", "push_dir")
    job = {
        "displayName": "digits",
        "labels": {"team": "digits"},
        "runtimeConfig": {"gcsOutputDirectory": "gs://bucket/root", "parameterValues": VALUES},
        "pipelineSpec": {
            "schemaVersion": "2.1.0",
            "sdkVersion": "tfx-1.16.0",
            "pipelineInfo": {"name": "digits"},
            "components": {},
            "root": {
                "dag": {"tasks": {"Trainer": {"cachingOptions": {"enableCache": True}}}},
                "inputDefinitions": {"parameters": {name: {"parameterType": "STRING"} for name in names}},
            },
        },
    }
    file = tmp_path / "job.json"
    file.write_text(json.dumps(job))
    return file


@pytest.fixture
def login(monkeypatch):
    monkeypatch.setattr(google.auth, "default", lambda scopes: (AnonymousCredentials(), "proj"))


def unasked(*args, **kwargs):
    """Whose bucket it is: the client asks, and goes on without an answer."""
    raise Forbidden("storage.buckets.get")


@pytest.fixture
def sent(monkeypatch, login):
    """The requests that would create a job."""
    requests = []

    def create(client, **request):
        requests.append(request)
        request["pipeline_job"].name = f"{request['parent']}/pipelineJobs/{request['pipeline_job_id']}"
        return request["pipeline_job"]

    monkeypatch.setattr(PipelineServiceClient, "create_pipeline_job", create)
    monkeypatch.setattr(storage.Bucket, "exists", lambda bucket: True)
    monkeypatch.setattr(storage.Bucket, "reload", unasked)
    return requests


@pytest.fixture
def found(monkeypatch, login):
    """Answers for the newest job."""
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


def test_a_job_is_submitted_as_its_target_says(job_file, sent):
    changed = VALUES | {"training": '{"epochs": 9}'}

    answer = service.submit(job_file, TARGET, changed, enable_caching=False)

    (request,) = sent
    job = request["pipeline_job"]
    assert request["parent"] == "projects/proj/locations/europe-west4"
    assert request["pipeline_job_id"] == answer["jobId"]
    assert job.display_name == "digits"
    assert job.service_account == TARGET.service_account
    assert job.encryption_spec.kms_key_name == TARGET.encryption_key
    assert dict(job.labels) == {"team": "digits"}
    assert job.runtime_config.gcs_output_directory == "gs://bucket/root"
    assert dict(job.runtime_config.parameter_values) == changed
    assert not job.pipeline_spec["root"]["dag"]["tasks"]["Trainer"]["cachingOptions"]["enableCache"]


def test_several_machines_train_where_and_as_whom_the_job_runs(job_file, sent):
    machines = training_job("elsewhere", "us-central1", "digits:1", machines=3)

    service.submit(job_file, TARGET, VALUES | {"training": json.dumps({"epochs": 9, **machines})})

    training = json.loads(sent[0]["pipeline_job"].runtime_config.parameter_values["training"])
    assert training["epochs"] == 9
    assert training["ai_platform_vertex_region"] == TARGET.region
    job = training["ai_platform_training_args"]
    assert job["project"] == TARGET.project
    assert job["job_spec"]["service_account"] == TARGET.service_account
    assert job["encryption_spec"]["kms_key_name"] == TARGET.encryption_key


def test_as_compiled_the_cache_stays_on(job_file, sent):
    service.submit(job_file, TARGET, VALUES)

    tasks = sent[0]["pipeline_job"].pipeline_spec["root"]["dag"]["tasks"]
    assert tasks["Trainer"]["cachingOptions"]["enableCache"]


def test_submitting_prints_nothing_of_its_own(job_file, sent, capfd):
    service.submit(job_file, TARGET, VALUES)

    assert capfd.readouterr() == ("", "")


def test_a_dry_run_needs_no_login_and_sends_nothing(job_file, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something was asked for")

    monkeypatch.setattr(google.auth, "default", refuse)
    monkeypatch.setattr(storage.Bucket, "exists", refuse)
    monkeypatch.setattr(PipelineServiceClient, "create_pipeline_job", refuse)

    request = service.submit(job_file, TARGET, VALUES, dry_run=True)

    assert request["jobId"].startswith("digits-")
    assert request["serviceAccount"] == TARGET.service_account
    assert request["runtimeConfig"]["parameterValues"] == VALUES


def test_a_missing_bucket_is_said_before_anything_is_sent(job_file, sent, monkeypatch):
    monkeypatch.setattr(storage.Bucket, "exists", lambda bucket: bucket.name != "pushes")

    with pytest.raises(VertexError, match=r"no bucket gs://pushes. Make it with `gcloud storage buckets create"):
        service.submit(job_file, TARGET, VALUES)
    assert not sent


def test_an_address_without_a_bucket_is_refused(job_file, sent):
    with pytest.raises(VertexError, match=r"Vertex AI cannot see gs://: .* with --set data="):
        service.submit(job_file, TARGET, VALUES | {"data": "gs://"})
    assert not sent


def test_a_local_folder_is_refused(job_file, sent):
    with pytest.raises(VertexError, match=r"Vertex AI cannot see runs/data: .* with --set data="):
        service.submit(job_file, TARGET, VALUES | {"data": "runs/data"})
    assert not sent


def test_without_credentials_the_next_step_is_named(job_file, tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # else it asks for a metadata server
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)

    with pytest.raises(VertexError, match=r"No Google Cloud credentials .*gcloud auth application-default login"):
        service.submit(job_file, TARGET, VALUES)


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, r"\(File .*key.json was not found\)"), ("not json", r"\(File .*key.json is not a valid json file\)")],
)
def test_a_key_file_that_does_not_serve_is_named(tmp_path, monkeypatch, text, reason):
    key = tmp_path / "key.json"
    if text:
        key.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))

    with pytest.raises(VertexError, match=reason):
        service.find_credentials()


def test_an_unknown_region_is_refused(job_file):
    with pytest.raises(VertexError, match=r"no region 'mars-1'; it has .*europe-west4"):
        service.submit(job_file, Target("proj", "mars-1"), VALUES, dry_run=True)


def test_a_refusal_is_a_sentence(job_file, sent, monkeypatch):
    def refuse(client, **request):
        raise PermissionDenied("Permission 'aiplatform.pipelineJobs.create' denied.")

    monkeypatch.setattr(PipelineServiceClient, "create_pipeline_job", refuse)

    with pytest.raises(
        VertexError, match=r"refuses: Permission 'aiplatform.pipelineJobs.create' denied. The roles .* docs"
    ):
        service.submit(job_file, TARGET, VALUES)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ServiceUnavailable("failed to connect"), "Google Cloud cannot be reached: failed to connect. Try again"),
        (RetryError("Timeout of 120 s", None), "Google Cloud cannot be reached: Timeout of 120 s. Try again"),
        (TransportError("no route", "more"), "Google Cloud cannot be reached: no route. Try again"),
        (
            RefreshError("invalid_grant: Bad Request", {}),
            "does not take this login: invalid_grant: Bad Request. Log in",
        ),
        (Unauthenticated("Invalid token."), "does not take this login: Invalid token. Log in with `gcloud auth"),
        (NotFound("Project 'proj' not found."), "Google Cloud refuses: Project 'proj' not found."),
    ],
)
def test_what_goes_wrong_on_the_way_says_what_to_do(job_file, sent, monkeypatch, error, sentence):
    def fail(client, **request):
        raise error

    monkeypatch.setattr(PipelineServiceClient, "create_pipeline_job", fail)

    with pytest.raises(VertexError, match=re.escape(sentence)):
        service.submit(job_file, TARGET, VALUES)


def test_the_newest_job_is_described(found):
    status = service.status(TARGET)

    assert (status.job_id, status.state, status.error) == ("digits-1", "failed", "The DAG failed.")
    assert status.console.endswith("/locations/europe-west4/pipelines/runs/digits-1?project=proj")
    assert status.tasks == (
        Task("MnistExampleGen", "succeeded", 63, "", "71"),
        Task("Trainer", "failed", 120, "no quota for NVIDIA_TESLA_T4", "72"),
        Task("Evaluator", "not triggered", None, "", ""),
    )
    assert 'display_name="digits"' in str(found[0]["filter"])


def test_a_job_that_is_not_there_is_said(found, monkeypatch):
    def missing(client, name, **rest):
        raise NotFound("The PipelineJob does not exist.")

    monkeypatch.setattr(PipelineServiceClient, "get_pipeline_job", missing)

    with pytest.raises(VertexError, match=r"no job digits-0 in project proj, region europe-west4: .* without a job"):
        service.status(TARGET, "digits-0")


def test_without_a_job_there_is_no_state(found, monkeypatch):
    monkeypatch.setattr(PipelineServiceClient, "list_pipeline_jobs", lambda client, request: [])

    with pytest.raises(VertexError, match="No job yet in project proj, region europe-west4"):
        service.status(TARGET)


def entry(job_id, **content):
    labels = {"job_id": job_id}
    return {"timestamp": "2026-11-22T12:01:00Z", "resource": {"type": "ml_job", "labels": labels}, **content}


@pytest.fixture
def logging_api():
    """Cloud Logging on 127.0.0.1: the requests it got, and the answers it gives, one after the other."""
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
    """What is asked about the project's CustomJobs, and the answer: none, unless a test adds some."""
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

    entries = list(service.logs(TARGET, STATUS, address=address))

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


def test_the_logs_of_one_component(custom_jobs, logging_api):
    address, got, answers = logging_api
    answers += [(200, {})]

    assert list(service.logs(TARGET, STATUS, "Trainer", address)) == []
    assert '=("72")' in got[0][1]["filter"]


def test_what_several_machines_wrote_is_the_trainers(custom_jobs, logging_api):
    address, got, answers = logging_api
    asked, jobs = custom_jobs
    folder = "gs://bucket/root/1/{}/Trainer_-5/model"
    jobs += [custom_job(90, folder.format("digits-10")), custom_job(91, folder.format("digits-1"))]
    answers += [(200, {"entries": [entry("91", textPayload="epoch 1")]})]

    entries = list(service.logs(TARGET, STATUS, "Trainer", address))

    assert [(line.task, line.message) for line in entries] == [("Trainer", "epoch 1")]
    assert '=("72" OR "91")' in got[0][1]["filter"]
    assert asked[0]["parent"] == "projects/proj/locations/europe-west4"
    assert asked[0]["filter"] == 'display_name="digits-trainer" AND create_time>="2026-11-22T12:00:00+00:00"'


def test_other_components_need_no_look_at_the_machines(custom_jobs, logging_api):
    address, _, answers = logging_api
    answers += [(200, {})]

    assert list(service.logs(TARGET, STATUS, "MnistExampleGen", address)) == []
    assert custom_jobs[0] == []


def test_refused_logs_lead_to_the_jobs_page(custom_jobs, logging_api):
    address, _, answers = logging_api
    answers += [(403, {"error": {"message": "Permission 'logging.logEntries.list' denied."}})]

    with pytest.raises(VertexError, match=r"Permission 'logging.logEntries.list' denied. The job's page: https://page"):
        list(service.logs(TARGET, STATUS, address=address))


def test_logs_of_what_did_not_run(login):
    waiting = replace(STATUS, tasks=(*STATUS.tasks, Task("Evaluator", "pending", None, "", "")))

    with pytest.raises(VertexError, match="Evaluator of job digits-1 has run no container yet"):
        list(service.logs(TARGET, waiting, "Evaluator"))


def test_logs_of_what_there_is_not(login):
    with pytest.raises(VertexError, match=r"has no component Trainr yet; it has MnistExampleGen, Trainer\."):
        list(service.logs(TARGET, STATUS, "Trainr"))


def test_logs_after_a_login_ran_out(custom_jobs, monkeypatch):
    def refuse(session, *arguments, **options):
        raise RefreshError("Reauthentication is needed.", {})

    monkeypatch.setattr(AuthorizedSession, "post", refuse)

    with pytest.raises(VertexError, match=r"does not take this login: Reauthentication is needed\. Log in with"):
        list(service.logs(TARGET, STATUS))
