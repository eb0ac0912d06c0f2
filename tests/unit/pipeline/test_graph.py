"""The compiled graph; nothing runs."""

import json
from dataclasses import replace

import pytest
from factories import make_training
from tfx.components.util import udf_utils
from tfx.dsl.compiler.compiler import Compiler

from pipeline.config import PIPELINE_NAME, PipelineConfig, UsersDigits
from pipeline.eval_config import custom_extractors
from pipeline.graph import create_pipeline

TRAINING = make_training(epochs=4)
NODES = {
    "MnistExampleGen": set(),
    "StatisticsGen": {"MnistExampleGen"},
    "SchemaGen": {"StatisticsGen"},
    "ImportSchemaGen": set(),
    "ExampleValidator": {"StatisticsGen", "ImportSchemaGen"},
    "AnomalyGate": {"ExampleValidator", "MnistExampleGen"},
    "Transform": {"MnistExampleGen", "ImportSchemaGen", "AnomalyGate"},
    "Trainer": {"MnistExampleGen", "Transform"},
    "Baseline": {"Trainer"},
    "Evaluator": {"MnistExampleGen", "Trainer", "Baseline"},
    "ServingCheck": {"MnistExampleGen", "Trainer", "Baseline"},
    "VersionedPusher": {"MnistExampleGen", "Trainer", "Evaluator", "ServingCheck"},
}


@pytest.fixture
def config(tmp_path):
    return PipelineConfig(
        data=str(tmp_path / "data"),
        root=str(tmp_path / "runs"),
        push_dir=str(tmp_path / "pushed"),
        training=TRAINING,
        eval_size=17,
        serving_images=23,
    )


@pytest.fixture
def compile_nodes(tmp_path):
    def compile_nodes(config):
        ir = Compiler().compile(create_pipeline(config))
        assert ir.pipeline_info.id == PIPELINE_NAME
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [], "something was run"
        return {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}

    return compile_nodes


def parameter(node, name):
    value = node.parameters.parameters[name].field_value
    return getattr(value, value.WhichOneof("value"))


def test_nodes_and_edges(config, compile_nodes):
    nodes = compile_nodes(config)

    assert {name: set(node.upstream_nodes) for name, node in nodes.items()} == NODES


def test_every_node_comes_after_its_inputs(config, compile_nodes):
    names = list(compile_nodes(config))

    assert all(names.index(before) < names.index(name) for name, needed in NODES.items() for before in needed)


def test_without_a_baseline_nothing_is_resolved(config, compile_nodes):
    nodes = compile_nodes(replace(config, baseline="none"))

    assert set(nodes) == set(NODES) - {"Baseline"}
    assert set(nodes["Evaluator"].upstream_nodes) == {"MnistExampleGen", "Trainer"}


def test_without_thresholds_there_is_no_verdict_and_no_push(config, compile_nodes):
    nodes = compile_nodes(replace(config, thresholds=None))

    assert set(nodes) == set(NODES) - {"VersionedPusher"}
    assert "threshold" not in parameter(nodes["Evaluator"], "eval_config").lower()
    assert "threshold" in parameter(compile_nodes(config)["Evaluator"], "eval_config").lower()


def test_transform_is_not_materialised(config, compile_nodes):
    assert set(compile_nodes(config)["Transform"].outputs.outputs) == {"transform_graph"}


def test_the_evaluator_reads_the_test_split(config, compile_nodes):
    assert parameter(compile_nodes(config)["Evaluator"], "example_splits") == '["test"]'


def test_the_evaluator_finds_its_extractors(config, compile_nodes):
    module = parameter(compile_nodes(config)["Evaluator"], "module_path")

    found = udf_utils.get_fn({"module_path": module}, "custom_extractors")  # of the reloaded module: TFX reloads it

    assert found.__code__ == custom_extractors.__code__


def test_the_configuration_reaches_its_components(config, compile_nodes):
    nodes = compile_nodes(config)

    assert parameter(nodes["MnistExampleGen"], "input_base") == config.data
    assert parameter(nodes["VersionedPusher"], "push_dir") == config.push_dir
    assert parameter(nodes["ServingCheck"], "images") == 23
    custom = parameter(nodes["Trainer"], "custom_config")
    assert '"model": "lenet"' in custom
    assert '"source": "source"' in custom


@pytest.mark.parametrize("enabled", [True, False])
def test_the_cache_follows_the_configuration(config, compile_nodes, enabled):
    nodes = compile_nodes(replace(config, enable_cache=enabled))

    assert {node.execution_options.caching_options.enable_cache for node in nodes.values()} == {enabled}


def test_two_runs_of_the_same_training_compile_equally(config, compile_nodes):
    assert compile_nodes(config) == compile_nodes(config)


def test_users_digits_are_trained_on_and_have_a_separate_evaluator(config, compile_nodes):
    users = UsersDigits("feedback", trust=0, digest="abc", trained=30, evaluated=10, max_drop=0.01)
    nodes = compile_nodes(replace(config, users=users))

    assert set(nodes) == {*NODES, "UsersEvaluator"}
    assert set(nodes["UsersEvaluator"].upstream_nodes) == {"MnistExampleGen", "Trainer", "Baseline"}
    assert set(nodes["VersionedPusher"].upstream_nodes) == NODES["VersionedPusher"] | {"UsersEvaluator"}
    assert json.loads(parameter(nodes["UsersEvaluator"], "example_splits")) == ["users"]
    assert json.loads(parameter(nodes["Evaluator"], "example_splits")) == ["test"]
    assert json.loads(parameter(nodes["Trainer"], "train_args"))["splits"] == ["train", "users_train"]
    assert "abc" in parameter(nodes["MnistExampleGen"], "custom_config")
    (threshold,) = json.loads(parameter(nodes["UsersEvaluator"], "eval_config"))["metrics_specs"][0]["metrics"][0][
        "per_slice_thresholds"
    ]
    assert threshold["threshold"]["change_threshold"]["absolute"] == pytest.approx(-0.01, abs=1e-5)


@pytest.mark.parametrize(("trained", "evaluated"), [(30, 0), (0, 10)])
def test_an_empty_users_split_is_left_out(config, compile_nodes, trained, evaluated):
    users = UsersDigits("feedback", trust=0, digest="abc", trained=trained, evaluated=evaluated)
    nodes = compile_nodes(replace(config, users=users))

    assert ("UsersEvaluator" in nodes) is bool(evaluated)
    splits = json.loads(parameter(nodes["Trainer"], "train_args"))["splits"]
    assert splits == ["train", *(["users_train"] if trained else [])]
