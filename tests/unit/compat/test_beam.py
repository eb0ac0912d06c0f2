import pytest

from compat.beam import unknown_options


def test_what_beam_does_not_declare_is_returned():
    assert unknown_options(["--runner=Flink", "--streaming"]) == []
    assert unknown_options(["--runner=Flink", "--machine_kind=large"]) == ["--machine_kind=large"]


def test_a_value_that_beam_cannot_read_is_an_error():
    with pytest.raises(ValueError, match="direct_num_workers"):
        unknown_options(["--direct_num_workers=many"])
