import json
import re

import pytest
from apache_beam.runners.portability.sdk_container_builder import SDK_CONTAINER_ENTRYPOINT
from factories import make_training
from google.cloud.aiplatform_v1.types import AcceleratorType

from pipeline.config import SCHEMA_FILE
from pipeline.vertex.job import (
    IMAGE_SCHEMA_FILE,
    SETTINGS,
    VertexError,
    known_accelerators,
    load_job,
    parameter_values,
)

TRAINING = make_training("my_model").to_config()


@pytest.fixture
def job():
    return {
        "pipelineSpec": {"pipelineInfo": {"name": "digits"}},
        "runtimeConfig": {
            "parameterValues": {"training": json.dumps(TRAINING), "data": "gs://b/data", "push_dir": "gs://b/pushed"}
        },
    }


def training(job, **settings):
    return json.loads(parameter_values(job, settings)["training"])


def test_accelerators_are_vertex_ais_gpus():
    known = known_accelerators()

    assert "NVIDIA_TESLA_T4" in known
    assert not any("TPU" in name for name in known)
    assert all(name in AcceleratorType.__members__ for name in known)


def test_without_settings_a_job_is_as_compiled(job):
    assert parameter_values(job, {}) == job["runtimeConfig"]["parameterValues"]


def test_settings_change_what_they_name_and_nothing_else(job):
    changed = training(job, epochs="10", learning_rate="0.001", augment="false", seed="7", batch_size="64")

    assert changed == TRAINING | {"epochs": 10, "learning_rate": 0.001, "augment": False, "seed": 7, "batch_size": 64}
    assert parameter_values(job, {"push_dir": "gs://c/d"})["push_dir"] == "gs://c/d"


def test_settings_do_not_change_the_training_machines(job):
    machines = {"ai_platform_enable_vertex": True, "ai_platform_training_args": {"project": "proj"}}
    job["runtimeConfig"]["parameterValues"]["training"] = json.dumps(TRAINING | machines)

    assert training(job, epochs="10") == TRAINING | machines | {"epochs": 10}


def test_another_model_brings_its_recipe(job):
    job["runtimeConfig"]["parameterValues"]["training"] = json.dumps(TRAINING | {"seed": 9})

    assert training(job, model="lenet", batch_size="32") == make_training(seed=9, batch_size=32).to_config()


def test_a_job_of_an_earlier_release_gets_missing_settings(job):
    old = {name: value for name, value in TRAINING.items() if name not in ("drawn_digits", "xla", "memory_mib")}
    job["runtimeConfig"]["parameterValues"]["training"] = json.dumps(old)

    assert training(job, epochs="10") == TRAINING | {"epochs": 10}


def test_a_job_with_a_setting_of_another_release_is_a_one_line_error(job):
    job["runtimeConfig"]["parameterValues"]["training"] = json.dumps(TRAINING | {"momentum": 0.9})

    with pytest.raises(VertexError, match="This release has no setting 'momentum'"):
        training(job)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("epoch", "3", "Unknown setting 'epoch'; choose model, epochs, "),
        ("model", "resnet", "Unknown model 'resnet'; choose lenet or my_model."),
        ("epochs", "0", "epochs must be a number, 1 or more, not 0."),
        ("epochs", "1.5", "epochs must be a whole number, not 1.5."),
        ("epochs", "many", "epochs must be a number, 1 or more, not many."),
        ("learning_rate", "nan", "learning_rate must be a number, 1e-09 or more, not nan."),
        ("learning_rate", "inf", "learning_rate must be a number, 1e-09 or more, not inf."),
        ("augment", "perhaps", "augment must be true or false, not perhaps."),
        ("min_accuracy", "97", "min_accuracy must be a number, from 0 to 1, not 97."),
    ],
)
def test_a_wrong_setting_is_a_one_line_error(job, name, value, sentence):
    with pytest.raises(VertexError) as raised:
        parameter_values(job, {name: value})

    assert str(raised.value).startswith(sentence)
    assert set(SETTINGS) > {"model", "epochs"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("not json", "is not a job file: `digits vertex compile"),
        ("[]", "is not a job file"),
        ("{}", "is not a job file"),
        (
            '{"pipelineSpec": {"pipelineInfo": {"name": "taxi"}}, '
            '"runtimeConfig": {"parameterValues": {"training": ""}}}',
            "is a job of the pipeline 'taxi', not of 'digits'",
        ),
    ],
)
def test_a_file_other_than_a_job_is_refused(tmp_path, text, sentence):
    file = tmp_path / "job.json"
    file.write_text(text)

    with pytest.raises(VertexError, match=sentence):
        load_job(file)


def test_a_missing_file_is_reported_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(VertexError, match=r"`digits vertex compile` makes it"):
        load_job(tmp_path / "job.json")


def test_the_beam_images_launcher_has_the_locked_version():
    root = SCHEMA_FILE.parents[1]
    lock = (root / "requirements/py311plus.txt").read_text(encoding="utf-8")
    dockerfile = (root / "Dockerfile").read_text(encoding="utf-8")

    (release,) = re.findall(r"^apache-beam==([0-9.]+) ", lock, re.MULTILINE)
    (python,) = re.findall("PYTHON_IMAGE=python:([0-9.]+)-", dockerfile)
    assert f"COPY --from=apache/beam_python{python}_sdk:{release} /opt/apache/beam /opt/apache/beam\n" in dockerfile
    assert f'ENTRYPOINT ["{SDK_CONTAINER_ENTRYPOINT}"]\n' in dockerfile


def test_the_image_has_the_schema_where_jobs_expect_it():
    dockerfile = SCHEMA_FILE.parents[1] / "Dockerfile"

    assert f"COPY pipeline/schema.pbtxt {IMAGE_SCHEMA_FILE}\n" in dockerfile.read_text(encoding="utf-8")
