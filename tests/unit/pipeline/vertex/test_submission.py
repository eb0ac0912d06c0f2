"""The submitted request, with Google's client and types; calls to Google are answered locally."""

import json

import google.auth
import pytest
from google.api_core.exceptions import Forbidden
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient

from pipeline.vertex.custom_job import training_job
from pipeline.vertex.job import Cluster, JobConfig, VertexError
from pipeline.vertex.service import Target
from pipeline.vertex.submission import submit

TARGET = Target("proj", "europe-west4", "runner@proj.iam.gserviceaccount.com", "projects/p/locations/l/keyRings/r/k")
VALUES = {"training": "{}", "data": "gs://bucket/data", "push_dir": "gs://pushes/models"}


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
    """The client looks up the bucket's owner, and continues without an answer."""
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


def test_a_job_is_submitted_to_its_target(job_file, sent):
    changed = VALUES | {"training": '{"epochs": 9}'}

    answer = submit(job_file, TARGET, changed, enable_caching=False)

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


def test_several_machines_use_the_jobs_region_and_account(job_file, sent):
    machines = training_job(JobConfig("digits:1", cluster=Cluster(3, "n1-standard-8", "elsewhere", "us-central1")))

    submit(job_file, TARGET, VALUES | {"training": json.dumps({"epochs": 9, **machines})})

    training = json.loads(sent[0]["pipeline_job"].runtime_config.parameter_values["training"])
    assert training["epochs"] == 9
    assert training["ai_platform_vertex_region"] == TARGET.region
    job = training["ai_platform_training_args"]
    assert job["project"] == TARGET.project
    assert job["job_spec"]["service_account"] == TARGET.service_account
    assert job["encryption_spec"]["kms_key_name"] == TARGET.encryption_key


def test_a_dry_run_needs_no_login_and_sends_nothing(job_file, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something was asked for")

    monkeypatch.setattr(google.auth, "default", refuse)
    monkeypatch.setattr(storage.Bucket, "exists", refuse)
    monkeypatch.setattr(PipelineServiceClient, "create_pipeline_job", refuse)

    request = submit(job_file, TARGET, VALUES, dry_run=True)

    assert request["jobId"].startswith("digits-")
    assert request["serviceAccount"] == TARGET.service_account
    assert request["runtimeConfig"]["parameterValues"] == VALUES


def test_a_missing_bucket_is_reported_before_the_request(job_file, sent, monkeypatch):
    monkeypatch.setattr(storage.Bucket, "exists", lambda bucket: bucket.name != "pushes")

    with pytest.raises(
        VertexError, match=r"Bucket gs://pushes does not exist\. Make it with `gcloud storage buckets create"
    ):
        submit(job_file, TARGET, VALUES)
    assert not sent


@pytest.mark.parametrize("folder", ["gs://", "runs/data"])
def test_addresses_outside_buckets_are_refused(job_file, sent, folder):
    with pytest.raises(VertexError, match=rf"Vertex AI cannot see {folder}: .* with --set data="):
        submit(job_file, TARGET, VALUES | {"data": folder})
    assert not sent
