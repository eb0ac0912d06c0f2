import pytest
from tiny_model import push


@pytest.fixture
def push_dir(tmp_path):
    """Versions 1 to 3, in order."""
    for version in (1, 2, 3):
        push(tmp_path, version)
    return tmp_path
