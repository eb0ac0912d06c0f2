"""The compiled job, against the types of the libraries that read it, without a network."""

import json
from dataclasses import replace

import absl.logging
import google.auth
import pytest
from factories import make_thresholds, make_training
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
from google.cloud.aiplatform_v1.types import CustomJob, JobState
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.components.util import udf_utils
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.scripts import run_executor

from models.recipe import Training
from pipeline.config import PIPELINE_NAME, PipelineConfig
from pipeline.graph import JOB_NAME
from pipeline.users_digits import expect_users_digits
from pipeline.vertex.compiler import UnknownComponentError, compile_job
from pipeline.vertex.job import Cluster, JobConfig, Machine, parameter_values

CONFIG = PipelineConfig(
    data="gs://bucket/data",
    root="gs://bucket/root",
    push_dir="gs://bucket/pushed",
    training=make_training(epochs=4),
    schema_file="/opt/schema.pbtxt",
)
JOB = JobConfig(
    image="place/digits:1",
    trainer_image="place/digits:1-cuda",
    accelerator=("NVIDIA_TESLA_T4", 2),
    machines={"Trainer": Machine(8, 30), "MnistExampleGen": Machine(2, 7.5)},
    labels={"team": "digits"},
)


@pytest.fixture(scope="module")
def job():
    return compile_job(CONFIG, JOB)


@pytest.fixture(scope="module")
def spec(job):
    """The pipeline as Kubeflow Pipelines' own type: an unknown field or a wrong type is an error."""
    return json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())


@pytest.fixture(scope="module")
def containers(job, spec):
    deployment = pipeline_spec_pb2.PipelineDeploymentConfig()
    json_format.ParseDict(job["pipelineSpec"]["deploymentSpec"], deployment)
    executors = {name: deployment.executors[component.executor_label] for name, component in spec.components.items()}
    return {name: executor.container for name, executor in executors.items() if executor.HasField("container")}


def test_users_digits_are_those_accepted_when_the_job_runs():
    users = expect_users_digits("gs://bucket/feedback", trust=0, max_drop=0.01)
    spec = compile_job(replace(CONFIG, users=users), JOB)["pipelineSpec"]

    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    tasks = spec["root"]["dag"]["tasks"]
    assert "UsersEvaluator" in tasks["VersionedPusher"]["dependentTasks"]
    assert "cachingOptions" not in tasks["MnistExampleGen"]  # a changed feedback folder must not find the cache
    assert "cachingOptions" in tasks["Trainer"]
    (parameter,) = [
        value["runtimeValue"]["constant"]
        for name, value in tasks["MnistExampleGen"]["inputs"]["parameters"].items()
        if name == "custom_config"
    ]
    assert "gs://bucket/feedback" in parameter


def test_the_job_parses_as_kubeflows_type(job):
    parsed = json_format.ParseDict(job, pipeline_spec_pb2.PipelineJob())

    assert parsed.runtime_config.gcs_output_directory == CONFIG.root
    assert parsed.labels["team"] == "digits"
    assert job["pipelineSpec"]["pipelineInfo"]["name"] == PIPELINE_NAME
    assert job["pipelineSpec"]["schemaVersion"] == "2.1.0"


def test_every_component_is_a_task(spec, containers):
    resolvers = {"Baseline-model-blessing-resolver", "Baseline-model-resolver"}

    assert set(spec.root.dag.tasks) == set(containers) | resolvers
    assert list(spec.root.dag.tasks["Transform"].dependent_tasks) == [
        "AnomalyGate",
        "ImportSchemaGen",
        "MnistExampleGen",
    ]
    assert not spec.root.dag.tasks["Baseline-model-blessing-resolver"].dependent_tasks, "resolved before the Trainer"
    source = spec.root.dag.tasks["Evaluator"].inputs.artifacts["baseline_model"].task_output_artifact
    assert source.producer_task == "Baseline-model-resolver"


def test_without_a_baseline_nothing_is_resolved():
    tasks = compile_job(replace(CONFIG, baseline="none"), JOB)["pipelineSpec"]["root"]["dag"]["tasks"]

    assert not any("Baseline" in name for name in tasks)
    assert "baseline_model" not in tasks["Evaluator"]["inputs"]["artifacts"]


def test_settings_that_change_between_runs_are_runtime_parameters(job, spec):
    values = job["runtimeConfig"]["parameterValues"]
    declared = spec.root.input_definitions.parameters
    used = {
        (name, key): value.component_input_parameter
        for name, task in spec.root.dag.tasks.items()
        for key, value in task.inputs.parameters.items()
        if value.component_input_parameter
    }

    assert used == {
        ("MnistExampleGen", "input_base"): "data",
        ("ImportSchemaGen", "schema_file"): "schema_file",
        ("Trainer", "custom_config"): "training",
        ("Evaluator", "eval_config"): "eval_config",
        ("ServingCheck", "thresholds"): "serving_thresholds",
        ("VersionedPusher", "push_dir"): "push_dir",
    }
    assert set(declared) == set(used.values()) == set(values)
    assert {name: parameter.default_value.string_value for name, parameter in declared.items()} == values
    assert values["data"] == CONFIG.data
    assert values["schema_file"] == CONFIG.schema_file
    assert json.loads(values["training"]) == CONFIG.training.to_config()
    assert "0.969999" in values["eval_config"]


def test_the_pusher_gets_the_jobs_name_and_is_never_cached(spec):
    pusher = spec.root.dag.tasks["VersionedPusher"]

    assert pusher.inputs.parameters["run_id"].runtime_value.constant.string_value == JOB_NAME
    assert not pusher.caching_options.enable_cache
    assert spec.root.dag.tasks["Trainer"].caching_options.enable_cache


def test_without_the_cache_no_task_is_cached():
    tasks = compile_job(replace(CONFIG, enable_cache=False), JOB)["pipelineSpec"]["root"]["dag"]["tasks"]

    assert not any(task.get("cachingOptions") for task in tasks.values())


def test_only_the_trainer_has_accelerators_and_their_image(containers):
    accelerators = {
        name: (c.resources.accelerator.type, c.resources.accelerator.count) for name, c in containers.items()
    }

    assert accelerators.pop("Trainer") == ("NVIDIA_TESLA_T4", 2)
    assert set(accelerators.values()) == {("", 0)}
    assert containers["Trainer"].image == "place/digits:1-cuda"
    assert {c.image for name, c in containers.items() if name != "Trainer"} == {"place/digits:1"}


def test_machines_are_as_requested(containers):
    machines = {name: (c.resources.cpu_limit, c.resources.memory_limit) for name, c in containers.items()}

    assert machines.pop("Trainer") == (8, 30)
    assert machines.pop("MnistExampleGen") == (2, 7.5)
    assert set(machines.values()) == {(0, 0)}


def test_a_machine_for_an_unknown_component_is_refused():
    with pytest.raises(UnknownComponentError, match=r"Unknown component Pusher; choose AnomalyGate, .*VersionedPusher"):
        compile_job(CONFIG, replace(JOB, machines={"Pusher": Machine(1, 1)}))


def test_containers_run_this_projects_executors(containers):
    executors = {name: list(c.args)[list(c.args).index("--executor_class_path") + 1] for name, c in containers.items()}

    assert executors["MnistExampleGen"] == "components.mnist_example_gen.executor.Executor"
    assert executors["AnomalyGate"] == "components.anomaly_gate.AnomalyGate_Executor"
    assert executors["VersionedPusher"] == "components.versioned_pusher.Executor"
    assert containers["MnistExampleGen"].lifecycle.pre_cache_check.command


def test_several_machines_train_with_the_settings_given_at_submission(tmp_path, monkeypatch):
    cluster = Cluster(3, "n1-standard-8", "proj", "europe-west4")
    job = compile_job(CONFIG, replace(JOB, machines={}, cluster=cluster))
    container = job["pipelineSpec"]["deploymentSpec"]["executors"]["Trainer_executor"]["container"]
    values = parameter_values(job, {"epochs": "20", "learning_rate": "0.5", "push_dir": "gs://bucket/elsewhere"})
    sent, trained = [], []

    def create(client, *, parent, custom_job):
        sent.append((client.api_endpoint, parent, CustomJob(custom_job)))
        return CustomJob(name="projects/1/locations/here/customJobs/7")

    def train(fn_args):
        (tmp_path / "model/Format-Serving").mkdir(parents=True)
        trained.append(fn_args)

    monkeypatch.setattr(google.auth, "default", lambda **options: (AnonymousCredentials(), "proj"))
    monkeypatch.setattr(JobServiceClient, "create_custom_job", create)
    ended = CustomJob(state=JobState.JOB_STATE_SUCCEEDED)
    monkeypatch.setattr(JobServiceClient, "get_custom_job", lambda client, **options: ended)
    monkeypatch.setattr(absl.logging, "set_verbosity", lambda level: None)
    # (TFX reloads the module of a run_fn for each call)
    monkeypatch.setattr(
        udf_utils, "get_fn", lambda properties, name: {"models.training.run_fn.run_fn": train}[properties[name]]
    )

    # In the Trainer's container: its arguments, with the values that Vertex AI fills in.
    executor_input = _executor_input(job["pipelineSpec"], values, tmp_path)
    arguments = [json.dumps(executor_input) if argument == "{{$}}" else argument for argument in container["args"]]
    assert container["command"] == ["python", "-m", kubeflow_v2_run_executor.__name__]
    kubeflow_v2_run_executor.main(kubeflow_v2_run_executor._parse_flags(arguments))

    ((endpoint, parent, custom_job),) = sent
    assert (endpoint, parent) == ("europe-west4-aiplatform.googleapis.com", "projects/proj/locations/europe-west4")
    chief, others = custom_job.job_spec.worker_pool_specs
    assert (chief.replica_count, others.replica_count) == (1, 2)
    assert chief.machine_spec == others.machine_spec
    assert (chief.machine_spec.accelerator_type.name, chief.machine_spec.accelerator_count) == JOB.accelerator
    assert chief.container_spec.image_uri == others.container_spec.image_uri == JOB.trainer_image
    assert custom_job.labels["team"] == "digits"
    assert container["image"] == JOB.image, "the waiting container needs no GPU"
    assert "accelerator" not in container.get("resources", {})
    assert not trained

    # On each machine: the CustomJob's own command.
    command = list(others.container_spec.command)
    assert command[:3] == ["python", "-m", run_executor.__name__]
    run_executor.main(run_executor.parse_flags(command[3:]))

    (fn_args,) = trained
    told = Training.from_config(fn_args.custom_config)
    assert told == make_training(epochs=20, learning_rate=0.5)
    assert fn_args.train_files == [str(tmp_path / "examples/Split-train/*")]
    assert fn_args.serving_model_dir == str(tmp_path / "model/Format-Serving")


def _executor_input(spec, values, folder):
    """The ExecutorInput of pipeline_spec.proto that Vertex AI fills in for the Trainer's container."""
    task, component = spec["root"]["dag"]["tasks"]["Trainer"], spec["components"]["Trainer"]
    parameters = {
        name: values[source["componentInputParameter"]]
        if "componentInputParameter" in source
        else source["runtimeValue"]["constant"]
        for name, source in task["inputs"]["parameters"].items()
    }

    def artifacts(definitions):
        facts = {"split_names": '["train", "eval"]'}
        return {
            name: {
                "artifacts": [
                    {
                        "name": f"projects/1/locations/here/metadataStores/default/artifacts/{number}",
                        "uri": str(folder / name),
                        "type": definition["artifactType"],
                        "metadata": facts if name == "examples" else {},
                    }
                ]
            }
            for number, (name, definition) in enumerate(definitions["artifacts"].items())
        }

    return {
        "inputs": {"parameterValues": parameters, "artifacts": artifacts(component["inputDefinitions"])},
        "outputs": {
            "artifacts": artifacts(component["outputDefinitions"]),
            "outputFile": str(folder / "executor_output.json"),
        },
    }


def test_changed_thresholds_equal_compiled_ones(job):
    demands = {"min_accuracy": "0.9", "min_digit_accuracy": "0.5", "max_drop": "0.01", "min_refusal": "0.7"}
    changed = parameter_values(job, demands)
    compiled = compile_job(replace(CONFIG, thresholds=make_thresholds(0.9, 0.5, 0.01)), JOB)

    expected = json.loads(compiled["runtimeConfig"]["parameterValues"]["eval_config"])
    assert json.loads(changed["eval_config"]) == expected
    assert json.loads(changed["serving_thresholds"]) == {
        "min_pages_accuracy": 0.6,
        "min_refusal": 0.7,
        "max_pictures_drop": 0.08,
    }
