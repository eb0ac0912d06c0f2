"""The produced options, read by Beam's own parsers and validators."""

import socket
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import (
    DirectOptions,
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    SparkRunnerOptions,
    StandardOptions,
    TypeOptions,
    WorkerOptions,
)
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners import create_runner
from tfx.utils import dependency_utils

from pipeline.beam_options import BeamOptionsError, beam_args, explain_failure, find_unreachable
from pipeline.config import PipelineConfig

ROOT = "gs://bucket/digits"
DATAFLOW = ("--project=some-project", "--region=europe-west4")


def parsed(arguments):
    """The arguments as Beam parses them; all must be known to Beam."""
    options = PipelineOptions(list(arguments))
    assert options.get_all_options(retain_unknown_options=True).keys() == options.get_all_options().keys()
    return options


def test_the_direct_runner_stays_in_this_process_by_default():
    arguments = beam_args("direct", "/runs")
    options = parsed(arguments)

    assert set(arguments) == set(PipelineConfig.beam_args)
    assert options.view_as(DirectOptions).direct_running_mode == "in_memory"
    assert options.view_as(DirectOptions).direct_num_workers == 1
    assert not options.view_as(TypeOptions).pipeline_type_check


@pytest.mark.parametrize("workers", [None, 3])
def test_tfx_builds_no_package_for_local_workers(monkeypatch, workers):
    monkeypatch.setattr(dependency_utils, "build_ephemeral_package", lambda: pytest.fail("TFX packs itself up"))
    arguments = list(beam_args("direct", "/runs", workers=workers))

    assert dependency_utils.make_beam_dependency_flags(arguments) == arguments


def test_several_workers_are_processes():
    options = parsed(beam_args("direct", "/runs", workers=3)).view_as(DirectOptions)

    assert (options.direct_running_mode, options.direct_num_workers) == ("multi_processing", 3)


@pytest.mark.parametrize("image", [None, "europe-docker.pkg.dev/some/digits:1"])
def test_dataflow_has_all_required_options(image, monkeypatch):
    monkeypatch.setattr(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled", lambda *_: None)  # (a request)
    options = parsed(beam_args("dataflow", ROOT, workers=40, image=image, extra=DATAFLOW))

    assert options.view_as(StandardOptions).runner == "DataflowRunner"
    assert PipelineOptionsValidator(options, create_runner("DataflowRunner")).validate() == []
    cloud = options.view_as(GoogleCloudOptions)
    assert (cloud.project, cloud.region) == ("some-project", "europe-west4")
    assert cloud.temp_location.startswith(ROOT)
    assert cloud.staging_location.startswith(ROOT)
    workers = options.view_as(WorkerOptions)
    assert (workers.max_num_workers, workers.sdk_container_image) == (40, image)
    setup = options.view_as(SetupOptions)
    if image:
        assert setup.setup_file is None
        assert setup.sdk_location == "container"
    else:
        assert "digits-pipeline" in Path(setup.setup_file).with_name("pyproject.toml").read_text(encoding="utf-8")


def test_flink_runs_python_in_the_image():
    options = parsed(
        beam_args("flink", "s3://bucket/digits", workers=8, image="digits:1", extra=["--flink_master=flink:8081"])
    )

    assert options.view_as(StandardOptions).runner == "FlinkRunner"
    flink, portable = options.view_as(FlinkRunnerOptions), options.view_as(PortableOptions)
    assert (flink.flink_master, flink.parallelism) == ("flink:8081", 8)
    assert (portable.environment_type, portable.environment_config) == ("DOCKER", "digits:1")


def test_spark_runs_python_in_the_image():
    options = parsed(beam_args("spark", ROOT, image="digits:1", extra=["--spark_master_url=spark://master:7077"]))

    assert options.view_as(StandardOptions).runner == "SparkRunner"
    assert options.view_as(SparkRunnerOptions).spark_master_url == "spark://master:7077"
    assert options.view_as(PortableOptions).environment_config == "digits:1"


JOB_SERVER = "--job_endpoint=jobs:8099"


def test_a_portable_engine_uses_the_given_worker_pool():
    extra = [JOB_SERVER, "--environment_config=pool:50000"]
    options = parsed(beam_args("portable", "/shared/runs", workers=4, extra=extra))

    assert options.view_as(StandardOptions).runner == "PortableRunner"
    portable = options.view_as(PortableOptions)
    assert (portable.job_endpoint, portable.sdk_worker_parallelism) == ("jobs:8099", "4")  # (Beam stores it as text)
    assert (portable.environment_type, portable.environment_config) == ("EXTERNAL", "pool:50000")


def test_a_portable_engine_starts_containers_of_an_image():
    options = parsed(beam_args("portable", ROOT, image="digits:1", extra=[JOB_SERVER])).view_as(PortableOptions)

    assert (options.environment_type, options.environment_config) == ("DOCKER", "digits:1")


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ([], "--beam-arg=--job_endpoint=HOST:PORT"),
        ([JOB_SERVER], "--beam-arg=--environment_config=HOST:PORT"),
        (["--job_endpoint=jobs", "--environment_config=pool:1"], "--job_endpoint takes HOST:PORT, not 'jobs'"),
        ([JOB_SERVER, "--environment_config=pool:x"], "--environment_config takes HOST:PORT, not 'pool:x'"),
    ],
)
def test_a_missing_option_of_a_portable_engine_is_a_one_line_error(extra, named):
    with pytest.raises(BeamOptionsError, match=named):
        beam_args("portable", "/runs", extra=extra)


def test_unreachable_servers_are_named():
    with socket.socket() as jobs, socket.socket() as pool:
        for server in (jobs, pool):
            server.bind(("127.0.0.1", 0))
        jobs.listen()
        jobs_port, pool_port = (server.getsockname()[1] for server in (jobs, pool))
        servers = [f"--job_endpoint=127.0.0.1:{jobs_port}", f"--environment_config=127.0.0.1:{pool_port}"]
        arguments = beam_args("portable", "/runs", extra=servers)

        assert find_unreachable(arguments) == (
            f"Beam's worker pool at 127.0.0.1:{pool_port} cannot be reached (Connection refused). Start it, or correct "
            "--environment_config."
        )
        pool.listen()
        assert find_unreachable(arguments) is None
    assert "job server" in find_unreachable(arguments)
    assert find_unreachable(beam_args("direct", "/runs")) is None


def test_workers_that_fail_to_start_are_explained():
    arguments = beam_args("portable", "/runs", extra=[JOB_SERVER, "--environment_config=pool:50000"])

    assert "first on PATH" in explain_failure("... StatusCode.DEADLINE_EXCEEDED ...", arguments)
    assert explain_failure("no space left", arguments) == "no space left"
    assert explain_failure("DEADLINE_EXCEEDED", beam_args("direct", "/runs")) == "DEADLINE_EXCEEDED"


def test_the_users_options_take_precedence():
    options = parsed(beam_args("dataflow", ROOT, extra=[*DATAFLOW, "--temp_location=gs://other/temp"]))

    assert options.view_as(GoogleCloudOptions).temp_location == "gs://other/temp"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("dataflow", ROOT), "--beam-arg=--project=... and --beam-arg=--region=..."),
        (("dataflow", "/runs"), "--root"),
        (("flink", ROOT), "--beam-arg=--flink_master=HOST:PORT"),
        (("spark", ROOT), "--beam-arg=--spark_master_url=HOST:PORT"),
    ],
)
def test_a_missing_option_of_an_engine_is_a_one_line_error(arguments, named):
    with pytest.raises(BeamOptionsError, match=named.replace(".", r"\.")):
        beam_args(*arguments)


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        (["--projekt=a"], "no option --projekt"),
        (["project=a"], "not 'project=a'"),
        (["--direct_num_workers=many"], "invalid int value"),
    ],
)
def test_an_option_unknown_to_beam_is_refused(extra, named):
    with pytest.raises(BeamOptionsError, match=named):
        beam_args("direct", "/runs", extra=extra)


def test_unused_images_and_unsettable_workers_are_refused():
    with pytest.raises(BeamOptionsError, match="--beam-image"):
        beam_args("direct", "/runs", image="digits:1")
    with pytest.raises(BeamOptionsError, match="--beam-workers"):
        beam_args("spark", ROOT, workers=2, image="digits:1", extra=["--spark_master_url=spark://m:7077"])
    with pytest.raises(BeamOptionsError, match="--beam-image"):
        beam_args("flink", ROOT, extra=["--flink_master=flink:8081"])
