from tfx.extensions.google_cloud_ai_platform import constants
from tfx.extensions.google_cloud_ai_platform.trainer import executor

from compat import tfx_vertex
from models.recipe import PLATFORM_PREFIX


def test_the_keys_match_tfxs():
    names = {name: value for name, value in vars(tfx_vertex).items() if name.isupper()}

    assert names == {
        "ENABLE_VERTEX_KEY": constants.ENABLE_VERTEX_KEY,
        "VERTEX_REGION_KEY": constants.VERTEX_REGION_KEY,
        "TRAINING_ARGS_KEY": executor.TRAINING_ARGS_KEY,
    }
    assert all(name.startswith(PLATFORM_PREFIX) for name in names.values())
