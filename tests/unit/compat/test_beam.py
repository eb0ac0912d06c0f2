import pytest

from compat.beam import unknown_options


def test_undeclared_options_are_returned():
    assert unknown_options(["--runner=Flink", "--streaming"]) == []
    assert unknown_options(["--runner=Flink", "--machine_kind=large"]) == ["--machine_kind=large"]


def test_an_invalid_value_is_an_error():
    with pytest.raises(ValueError, match="direct_num_workers"):
        unknown_options(["--direct_num_workers=many"])
