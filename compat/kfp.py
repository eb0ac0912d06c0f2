"""Names of kfp that `kfp.dsl` and `kfp.compiler` do not export; each with what replaces it."""

# The compiled job as a message: kfp sets resources on its own tasks only (`PipelineTask.set_accelerator_type`), which
# TFX's runner does not make. Goes when `KubeflowV2DagRunner` passes resources of single nodes on for every component.
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineDeploymentConfig

ResourceSpec = PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec

__all__ = ["ResourceSpec"]
