"""Names of TFX that `tfx.v1` does not export, and what would replace each.

Importing this module loads the compiler and the executors' base classes, which takes some seconds more than
`tfx.types`: only code that runs in a component or starts a pipeline imports it.
"""

from __future__ import annotations

# Base classes of our components. TFX's guide to custom components names these modules;
# `tfx.v1.dsl.components.component` replaces them once its function components support optional and channel-typed
# inputs.
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.example_gen.driver import FileBasedDriver  # its cache key uses file sizes and times
from tfx.components.pusher.executor import Executor as PusherExecutor
from tfx.components.util import examples_utils  # payload and file format of Examples: two custom properties
from tfx.dsl.compiler.compiler import Compiler  # LocalDagRunner().run(pipeline) compiles too, but runs all nodes
from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec
from tfx.dsl.components.common.resolver import ResolverStrategy  # the only way to add a resolver rule
from tfx.orchestration.portable.runtime_parameter_utils import substitute_runtime_parameter
from tfx.proto.orchestration.pipeline_pb2 import Pipeline as PipelineIR  # what the compiler returns
from tfx.types import artifact_utils, standard_component_specs  # URIs of splits; the names of standard inputs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils, path_utils, proto_utils  # `tf.io.gfile`, the layout of a Model, `json_format`

__all__ = [
    "PIPELINE_RUN_ID_PARAMETER_NAME",
    "BaseBeamExecutor",
    "BaseComponent",
    "BeamExecutorSpec",
    "ChannelParameter",
    "Compiler",
    "ComponentSpec",
    "ExecutionParameter",
    "ExecutorClassSpec",
    "FileBasedDriver",
    "FileBasedExampleGen",
    "PipelineIR",
    "PusherExecutor",
    "ResolverStrategy",
    "artifact_utils",
    "examples_utils",
    "io_utils",
    "path_utils",
    "proto_utils",
    "standard_component_specs",
    "substitute_runtime_parameter",
]
