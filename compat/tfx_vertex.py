"""Keys of the Trainer's `custom_config` in tfx.extensions.google_cloud_ai_platform, which loads for seconds.

`tfx.v1.extensions.google_cloud_ai_platform` exports the first two under these names, and replaces this module once load
time does not matter; only the executor defines the third.
"""

ENABLE_VERTEX_KEY = "ai_platform_enable_vertex"
VERTEX_REGION_KEY = "ai_platform_vertex_region"
TRAINING_ARGS_KEY = "ai_platform_training_args"
