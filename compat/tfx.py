"""Names of TFX that `tfx.v1` does not export; each with what replaces it.

Importing this module loads the compiler and the executors' bases, some seconds beyond `tfx.types`: only code that runs
inside a component or starts a pipeline imports it.
"""

from __future__ import annotations

# Bases of our components. TFX's guide to custom components names these modules; `tfx.v1.dsl.components.component` makes
# a component of a function and replaces them, once such a component may have optional and channel-typed inputs.
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.example_gen.driver import FileBasedDriver  # decides by sizes and times what is in the cache
from tfx.components.pusher.executor import Executor as PusherExecutor
from tfx.components.util import examples_utils  # payload and file format of Examples: two custom properties
from tfx.dsl.compiler.compiler import Compiler  # LocalDagRunner().run(pipeline) compiles, but runs all nodes at once
from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec
from tfx.dsl.components.common.resolver import ResolverStrategy  # the only way to resolve by our own rule
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
