import pytest
from tiny_model import push


@pytest.fixture
def push_dir(tmp_path):
    """A push folder with versions 1 to 3, all in order."""
    for version in (1, 2, 3):
        push(tmp_path, version)
    return tmp_path
