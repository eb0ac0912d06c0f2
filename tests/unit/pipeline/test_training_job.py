"""What is built, as aiplatform's own types and TFX's own client read it."""

import pytest
from google.cloud.aiplatform_v1.types import AcceleratorType, CustomJob
from tfx.extensions.google_cloud_ai_platform.training_clients import VertexJobClient

from pipeline.training_job import training_args


@pytest.fixture
def sent(monkeypatch):
    """The CustomJob that TFX's client would send; unknown fields are errors."""

    def sent(arguments):
        monkeypatch.setattr(VertexJobClient, "create_client", lambda self: None)  # logs in
        executor = "tfx.components.trainer.executor.GenericExecutor"
        job = VertexJobClient("europe-west4").create_training_job({}, {}, {}, executor, arguments, None, None)
        return CustomJob(job)

    return sent


def test_four_machines_with_two_gpus_each(sent):
    job = sent(
        training_args(
            "some-project",
            "europe-docker.pkg.dev/some/digits:1",
            machines=4,
            accelerator=("NVIDIA_TESLA_T4", 2),
            service_account="trainer@some-project.iam.gserviceaccount.com",
            kms_key="projects/p/locations/l/keyRings/r/cryptoKeys/k",
            labels={"team": "digits"},
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
    assert job.job_spec.service_account == "trainer@some-project.iam.gserviceaccount.com"
    assert job.encryption_spec.kms_key_name.endswith("/cryptoKeys/k")
    assert job.labels["team"] == "digits"


def test_one_machine_has_no_pool_of_others(sent):
    job = sent(training_args("some-project", "digits:1", machines=1, machine_type="e2-standard-4"))

    (chief,) = job.job_spec.worker_pool_specs
    assert chief.machine_spec.machine_type == "e2-standard-4"
    assert chief.machine_spec.accelerator_count == 0
    with pytest.raises(ValueError, match="one is the least"):
        training_args("some-project", "digits:1", machines=0)


def test_an_accelerator_that_vertex_does_not_know_is_an_error(sent):
    with pytest.raises(KeyError, match="NVIDIA_VOODOO"):
        sent(training_args("some-project", "digits:1", machines=1, accelerator=("NVIDIA_VOODOO", 1)))
