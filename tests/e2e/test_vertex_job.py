"""The compiled job, executed like Vertex AI: each container's command and arguments as a process."""

import json
from pathlib import Path

import pytest
from factories import NO_DEMANDS, make_training
from vertex_stand_in import VertexStandIn

from pipeline.config import PIPELINE_NAME, SCHEMA_FILE, PipelineConfig
from pipeline.vertex.compiler import compile_job
from pipeline.vertex.job import IMAGE_SCHEMA_FILE, JobConfig
from serving_bot.reading.classifier import Classifier
from serving_bot.versions.registry import asked_for

pytestmark = [pytest.mark.job, pytest.mark.timeout(3600)]

RESOLVERS = {"Baseline-model-blessing-resolver", "Baseline-model-resolver"}


def test_the_compiled_job_produces_a_pushed_model(tmp_path, tiny_mnist):
    config = PipelineConfig(
        data="not given yet",
        root=str(tmp_path / "root"),
        push_dir="not given yet",
        training=make_training("my_model", epochs=2),
        thresholds=NO_DEMANDS,
        schema_file=IMAGE_SCHEMA_FILE,
    )
    file = tmp_path / "job.json"
    file.write_text(json.dumps(compile_job(config, JobConfig(image="digits:test"))))
    job = json.loads(file.read_text())
    push_dir = tmp_path / "serving_model"
    parameters = {"data": str(tiny_mnist), "push_dir": str(push_dir)}
    if not Path(IMAGE_SCHEMA_FILE).exists():  # as in the image
        parameters["schema_file"] = str(SCHEMA_FILE)
    containers = {
        name: "ran" for name, task in job["pipelineSpec"]["root"]["dag"]["tasks"].items() if name not in RESOLVERS
    }
    (tmp_path / "vertex").mkdir()
    vertex = VertexStandIn(tmp_path / "vertex")

    states = vertex.run(job, f"{PIPELINE_NAME}-first", parameters)

    assert states == {**containers, **dict.fromkeys(RESOLVERS, "resolved")}
    version = asked_for(str(push_dir))[0].version
    card = Classifier.load(version.path).card
    assert card["run_id"] == f"{PIPELINE_NAME}-first"
    assert card["model"] == "my_model"
    assert card["data"]["splits"] == {"train": 1000, "eval": 200, "test": 300}
    assert card["data"]["fingerprint"], "the example gen's hook was run"

    # Again: cacheable tasks are cached; the latest blessed model is the cached candidate itself.
    states = vertex.run(job, f"{PIPELINE_NAME}-second", parameters)

    compared = {"Evaluator", "ServingCheck"}  # with a baseline that the first run did not have
    assert {name for name, state in states.items() if state == "ran"} == {*compared, "VersionedPusher"}
    assert asked_for(str(push_dir))[0].version == version, "the same export is not pushed twice"
