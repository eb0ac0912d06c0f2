"""`digits vertex`: users' mistakes are one-line errors, reported first."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.vertex import following, job, submission
from pipeline.vertex.following import LogEntry, Status, Task
from pipeline.vertex.job import IMAGE_SCHEMA_FILE, Cluster, Machine, VertexError
from pipeline.vertex.service import Target

PLACE = ["--project", "proj", "--region", "europe-west4"]
IMAGE = ["--image", "place/digits:1", "--root", "gs://bucket/digits/"]
JOB = {
    "displayName": "digits",
    "pipelineSpec": {"pipelineInfo": {"name": "digits"}, "root": {"dag": {"tasks": {"Trainer": {}}}}},
    "runtimeConfig": {"parameterValues": {"training": "{}"}},
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_REGION", "DIGITS_IMAGE", "DIGITS_ROOT", "DIGITS_DATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def compiled(monkeypatch):
    """The arguments of the compiler, which returns JOB."""
    given = []

    def compile_in_child(config, job):
        given.append((config, job))
        return JOB

    monkeypatch.setattr(job, "compile_in_child", compile_in_child)
    return given


def call(*arguments):
    return CliRunner().invoke(app, ["vertex", *arguments])


def test_compile_writes_a_job_from_its_options(here, compiled):
    done = call(
        *("compile", *IMAGE, "--model", "lenet", "--epochs", "7", "--min-accuracy", "0.9", "--no-cache"),
        *("--accelerator", "NVIDIA_TESLA_T4:2", "--trainer-image", "place/cuda:1", "--label", "team=digits"),
        *("--machine", "Trainer=8,30", "--machine", "Transform=2,7.5"),
    )

    assert done.exit_code == 0, done.output
    assert done.stdout == "job.json: 1 tasks, image place/digits:1.\n"
    assert json.loads((here / "job.json").read_text()) == JOB
    ((config, job),) = compiled
    assert (config.root, config.data) == ("gs://bucket/digits", "gs://bucket/digits/data")
    assert config.push_dir == "gs://bucket/digits/serving_model"
    assert (config.training.model, config.training.epochs, config.thresholds.min_accuracy) == ("lenet", 7, 0.9)
    assert config.schema_file == IMAGE_SCHEMA_FILE
    assert not config.enable_cache
    assert job.accelerator == ("NVIDIA_TESLA_T4", 2)
    assert job.machines == {"Trainer": Machine(8, 30), "Transform": Machine(2, 7.5)}
    assert (job.trainer_image, job.labels) == ("place/cuda:1", {"team": "digits"})


def test_remote_beam_workers_have_a_separate_image(compiled):
    dataflow = ["--beam-runner", "dataflow", "--beam-arg", "--project=proj", "--beam-arg", "--region=europe-west4"]

    assert "give its address in --beam-image" in call("compile", *IMAGE, *dataflow).stderr
    done = call("compile", *IMAGE, *dataflow, "--beam-image", "place/digits:1-beam", "--xla", "--train-memory", "64")

    assert done.exit_code == 0, done.output
    ((config, _),) = compiled
    assert "--runner=DataflowRunner" in config.beam_args
    assert "--sdk_container_image=place/digits:1-beam" in config.beam_args
    assert (config.training.execution.xla, config.training.execution.memory_mib) == (True, 64)


def test_several_machines_train_in_one_region(compiled):
    done = call("compile", *IMAGE, *PLACE, "--train-machines", "4", "--accelerator", "NVIDIA_TESLA_T4:2")

    assert done.exit_code == 0, done.output
    assert call("compile", *IMAGE, *PLACE, "--train-machines=2", "--train-machine-type=g2-standard-8").exit_code == 0
    assert call("compile", *IMAGE, *PLACE).exit_code == 0
    (_, four), (_, two), (_, one) = compiled
    assert four.cluster == Cluster(4, "n1-standard-8", "proj", "europe-west4")
    assert four.accelerator == ("NVIDIA_TESLA_T4", 2)
    assert two.cluster == Cluster(2, "g2-standard-8", "proj", "europe-west4")
    assert one.cluster is None


def test_yaml_has_only_the_pipeline_as_kubeflow_pipelines_reads_it(here, compiled):
    assert call("compile", *IMAGE, "--baseline", "none", "--output", "deep/job.yaml").exit_code == 0
    assert yaml.safe_load((here / "deep/job.yaml").read_text()) == JOB["pipelineSpec"]


def test_the_command_reports_the_compilers_refusal(monkeypatch):
    def refuse(config, job):
        raise VertexError("Unknown component Foo.")

    monkeypatch.setattr(job, "compile_in_child", refuse)
    done = call("compile", *IMAGE)

    assert (done.exit_code, done.stderr) == (1, "Error: Unknown component Foo.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["compile"], 1, "Error: No image. "),
        (["compile", "--image", "i"], 1, "Error: The containers cannot see this machine's folders: give --root "),
        (["compile", "--image", "i", "--root", "gs://"], 1, "this machine's folders: give --root a folder in a bucket"),
        (["compile", *IMAGE, "--output", "job.yaml"], 1, "Error: Kubeflow Pipelines cannot look up"),
        (["compile", *IMAGE, "--beam-arg", "--no_such_option=1"], 1, "no_such_option"),
        (
            ["compile", *IMAGE, "--data", "data"],
            1,
            "Error: The containers cannot see this machine's folders: give --data ",
        ),
        (["compile", *IMAGE, "--accelerator", "NVIDIA_T4:1"], 2, "Vertex AI has no NVIDIA_T4"),
        (["compile", *IMAGE, "--accelerator", "TPU_V2:8"], 2, "Vertex AI has no TPU_V2"),
        (["compile", *IMAGE, "--accelerator", "NVIDIA_L4"], 2, "is not TYPE:COUNT"),
        (["compile", *IMAGE, "--machine", "Trainer=8"], 2, "is not COMPONENT=CPUS,GB"),
        (["compile", *IMAGE, "--machine", "Trainer=0,8"], 2, "is not COMPONENT=CPUS,GB"),
        (["compile", *IMAGE, "--machine", "Trainer=1.2.3,8"], 2, "is not COMPONENT=CPUS,GB"),
        (["compile", *IMAGE, "--label", "Team=Digits"], 2, "is not KEY=VALUE"),
        (["compile", *IMAGE, "--train-machines", "2"], 1, "Error: No project. "),
        (["compile", *IMAGE, "--train-machines", "2", "--project", "p"], 1, "Error: No region. "),
        (["compile", *IMAGE, "--train-machines", "0"], 2, "--train-machines"),
        (["compile", *IMAGE, "--train-machine-type", "n1-standard-8"], 1, "is for several --train-machines"),
        (["compile", *IMAGE, *PLACE, "--train-machines", "2", "--machine", "Trainer=8,30"], 1, "--train-machine-type"),
        (["submit"], 1, "Error: No project. "),
        (["submit", "--project", "p"], 1, "Error: No region. "),
        (["submit", *PLACE], 1, "Error: job.json cannot be read (No such file or directory). `digits vertex compile`"),
        (["submit", *PLACE, "--set", "epochs"], 2, "is not NAME=VALUE"),
        (["status"], 1, "Error: No project. "),
        (["logs", "--project", "p"], 1, "Error: No region. "),
    ],
)
def test_mistakes_are_one_line_errors(arguments, code, sentence):
    done = call(*arguments)

    assert done.exit_code == code
    assert sentence in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.output


def test_submit_passes_on_its_options(here, monkeypatch):
    (here / "job.json").write_text(json.dumps(JOB))
    monkeypatch.setattr(job, "parameter_values", lambda job, settings: settings)
    calls = []

    def submit(path, target, parameters, **options):
        calls.append((path.name, target, parameters, options))
        return {"jobId": "digits-1"}

    monkeypatch.setattr(submission, "submit", submit)

    done = call("submit", *PLACE, "--set", "epochs=9", "--service-account", "me@p", "--encryption-key", "k")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Submitted digits-1.")
    assert "pipelines/runs/digits-1?project=proj" in done.stdout
    done = call("submit", *PLACE, "--dry-run", "--no-cache")
    assert json.loads(done.stdout) == {"jobId": "digits-1"}
    assert done.stderr == "Nothing was sent.\n"
    plain = Target("proj", "europe-west4")
    assert calls == [
        (
            "job.json",
            Target("proj", "europe-west4", "me@p", "k"),
            {"epochs": "9"},
            {"enable_caching": None, "dry_run": False},
        ),
        ("job.json", plain, {}, {"enable_caching": False, "dry_run": True}),
    ]


STATUS = Status(
    "digits-1", "failed", "https://page", "", "DAG [x] failed.", (Task("Trainer", "failed", 63.4, "no quota", "72"),)
)


def test_status_and_logs_are_shown(monkeypatch):
    monkeypatch.setattr(following, "status", lambda target, job: STATUS)
    monkeypatch.setattr(
        following, "logs", lambda target, found, component: iter([LogEntry("12:00", "Trainer", "INFO", "hello")])
    )

    shown = call("status", *PLACE).stdout
    assert "digits-1: failed" in shown
    assert "63 s" in shown
    assert "no quota" in shown
    assert "DAG [x] failed." in shown
    assert json.loads(call("status", *PLACE, "--json").stdout)["tasks"][0]["state"] == "failed"
    assert call("logs", *PLACE).stdout == "12:00 Trainer INFO: hello\n"
    assert json.loads(call("logs", *PLACE, "--json").stdout)["task"] == "Trainer"
