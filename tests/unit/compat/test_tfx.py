"""What the project relies on in each name, so an incompatible release of TFX fails here and not in a run."""

import os

import pytest
from google.protobuf import wrappers_pb2
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts

from compat import tfx
from components.mnist_example_gen.executor import Executor


@pytest.mark.parametrize("name", tfx.__all__)
def test_each_name_exists(name):
    assert getattr(tfx, name) is not None


def test_executors_and_specs_are_classes_to_derive_from():
    assert issubclass(Executor, tfx.BaseBeamExecutor)
    assert tfx.BeamExecutorSpec(Executor).class_path == "components.mnist_example_gen.executor.Executor"
    assert tfx.ExecutorClassSpec(tfx.PusherExecutor).class_path == "tfx.components.pusher.executor.Executor"
    assert issubclass(tfx.FileBasedExampleGen, tfx.BaseComponent)
    assert tfx.FileBasedExampleGen.DRIVER_CLASS is tfx.FileBasedDriver
    assert callable(tfx.FileBasedDriver.resolve_exec_properties)
    assert callable(tfx.PusherExecutor.CheckBlessing), "VersionedPusher asks it for the blessings"
    assert callable(tfx.ResolverStrategy.resolve_artifacts)


def test_a_component_spec_takes_channels_and_parameters():
    class Spec(tfx.ComponentSpec):
        PARAMETERS = {"folder": tfx.ExecutionParameter(type=str, optional=True)}  # noqa: RUF012
        INPUTS = {"model": tfx.ChannelParameter(type=standard_artifacts.Model)}  # noqa: RUF012
        OUTPUTS = {}  # noqa: RUF012

    with pytest.raises(ValueError, match="model"):
        Spec()


def test_examples_have_a_format_and_splits(tmp_path):
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path)
    examples.split_names = tfx.artifact_utils.encode_split_names(["train", "test"])

    tfx.examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    tfx.examples_utils.set_file_format(examples, "tfrecords_gzip")

    assert tfx.examples_utils.get_payload_format(examples) == example_gen_pb2.FORMAT_TF_EXAMPLE
    assert tfx.artifact_utils.decode_split_names(examples.split_names) == ["train", "test"]
    assert tfx.artifact_utils.get_split_uri([examples], "test") == str(tmp_path / "Split-test")
    assert tfx.artifact_utils.get_single_instance([examples]) is examples
    assert tfx.artifact_utils.get_single_uri([examples]) == str(tmp_path)


def test_files_can_be_copied_and_found(tmp_path):
    tfx.io_utils.write_string_file(str(tmp_path / "a" / "kept"), "x")
    tfx.io_utils.write_string_file(str(tmp_path / "a" / "card.json"), "{}")
    tfx.io_utils.copy_dir(str(tmp_path / "a"), str(tmp_path / "b"), deny_regex_patterns=[r"card\.json"])
    tfx.io_utils.copy_file(str(tmp_path / "a" / "kept"), str(tmp_path / "c"))

    assert os.listdir(tmp_path / "b") == ["kept"]
    assert tfx.io_utils.get_only_uri_in_dir(str(tmp_path / "b")) == str(tmp_path / "b" / "kept")
    assert (tmp_path / "c").read_text() == "x"


def test_a_model_is_at_its_path(tmp_path):
    export = tmp_path / "Format-Serving"
    export.mkdir()

    assert tfx.path_utils.serving_model_path(str(tmp_path)) == str(export)


def test_messages_survive_json():
    text = tfx.proto_utils.proto_to_json(wrappers_pb2.StringValue(value="some"))

    assert tfx.proto_utils.json_to_proto(text, wrappers_pb2.StringValue()).value == "some"


def test_the_compiler_returns_nodes_with_a_run_id_to_fill_in(tmp_path):
    from tfx.v1 import dsl  # noqa: PLC0415 (takes seconds)

    ir = tfx.Compiler().compile(dsl.Pipeline("some", str(tmp_path), components=[]))
    tfx.substitute_runtime_parameter(ir, {tfx.PIPELINE_RUN_ID_PARAMETER_NAME: "one"})

    assert isinstance(ir, tfx.PipelineIR)
    assert ir.runtime_spec.pipeline_run_id.field_value.string_value == "one"


def test_inputs_and_outputs_of_an_example_gen_have_these_names():
    names = tfx.standard_component_specs

    assert (names.EXAMPLES_KEY, names.INPUT_BASE_KEY, names.CUSTOM_CONFIG_KEY) == (
        "examples",
        "input_base",
        "custom_config",
    )
