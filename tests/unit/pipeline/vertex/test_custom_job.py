"""The built job, as read by aiplatform's types and TFX's client."""

import json
from dataclasses import replace

import pytest
from google.cloud.aiplatform_v1.types import AcceleratorType, CustomJob
from tfx.extensions.google_cloud_ai_platform.training_clients import VertexJobClient

from pipeline.vertex.custom_job import TRAINING_ARGS_KEY, VERTEX_REGION_KEY, place, training_job
from pipeline.vertex.job import Cluster, JobConfig
from pipeline.vertex.service import Target

PAIR = Cluster(2, "e2-standard-4", "some-project", "europe-west4")


@pytest.fixture
def sent(monkeypatch):
    """The CustomJob that TFX's client would send; unknown fields are errors."""

    def sent(custom_config):
        monkeypatch.setattr(VertexJobClient, "create_client", lambda self: None)  # logs in
        name = "tfx.components.trainer.executor.GenericExecutor"
        told = json.loads(json.dumps(custom_config))  # (a copy, because the client changes it)
        client = VertexJobClient(told[VERTEX_REGION_KEY])
        return CustomJob(client.create_training_job({}, {}, {}, name, told[TRAINING_ARGS_KEY], None, None))

    return sent


def test_four_machines_with_two_gpus_each(sent):
    job = sent(
        training_job(
            JobConfig(
                "europe-docker.pkg.dev/some/digits:1",
                accelerator=("NVIDIA_TESLA_T4", 2),
                labels={"team": "digits"},
                cluster=replace(PAIR, machines=4),
            )
        )
    )
    chief, others = job.job_spec.worker_pool_specs

    assert (chief.replica_count, others.replica_count) == (1, 3)
    assert chief.machine_spec == others.machine_spec
    assert chief.machine_spec.accelerator_type == AcceleratorType.NVIDIA_TESLA_T4
    assert chief.machine_spec.accelerator_count == 2
    assert chief.container_spec == others.container_spec, "all start the same program"
    assert chief.container_spec.image_uri == "europe-docker.pkg.dev/some/digits:1"
    assert list(chief.container_spec.command)[:3] == ["python", "-m", "tfx.scripts.run_executor"]
    assert job.job_spec.scheduling.restart_job_on_worker_restart
    assert not job.job_spec.service_account
    assert job.labels["team"] == "digits"


def test_machines_without_gpus(sent):
    chief, _ = sent(training_job(JobConfig("digits:1", cluster=PAIR))).job_spec.worker_pool_specs

    assert chief.machine_spec.machine_type == "e2-standard-4"
    assert chief.machine_spec.accelerator_count == 0


def test_an_unknown_accelerator_is_an_error(sent):
    with pytest.raises(KeyError, match="NVIDIA_VOODOO"):
        sent(training_job(JobConfig("digits:1", accelerator=("NVIDIA_VOODOO", 1), cluster=PAIR)))


def test_a_training_uses_its_jobs_project_and_region(sent):
    compiled = {"epochs": 9, **training_job(JobConfig("digits:1", cluster=PAIR))}
    before = json.dumps(compiled)

    moved = place(compiled, Target("other", "us-central1", "me@other", "projects/p/cryptoKeys/k"))

    job = sent(moved)
    assert (moved["epochs"], moved[VERTEX_REGION_KEY]) == (9, "us-central1")
    assert moved[TRAINING_ARGS_KEY]["project"] == "other"
    assert job.job_spec.service_account == "me@other"
    assert job.encryption_spec.kms_key_name == "projects/p/cryptoKeys/k"
    assert [pool.replica_count for pool in job.job_spec.worker_pool_specs] == [1, 1]
    assert json.dumps(compiled) == before, "it is a copy"


def test_a_training_on_one_machine_needs_no_location():
    assert place({"epochs": 9}, Target("other", "us-central1", "me@other")) == {"epochs": 9}
