"""Names of kfp that `kfp.dsl` and `kfp.compiler` do not export, and what would replace each."""

# Part of the compiled job's message: kfp sets resources only on its own tasks (`PipelineTask.set_accelerator_type`),
# which TFX's runner does not create. Remove this when `KubeflowV2DagRunner` takes resources per node.
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineDeploymentConfig

ResourceSpec = PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec

__all__ = ["ResourceSpec"]
