import pytest

from pipeline.report.statistics import holm, mcnemar, wilson_interval


def test_the_interval_is_wilsons():
    """Newcombe, Two-Sided Confidence Intervals for the Single Proportion (1998), table I, method 3."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_an_interval_stays_within_a_share():
    assert wilson_interval(10, 10)[1] == pytest.approx(1)


def test_the_test_is_mcnemars_exact_test():
    assert mcnemar(1, 7) == pytest.approx(2 * (1 + 8) / 2**8)
    assert mcnemar(7, 1) == mcnemar(1, 7)
    assert mcnemar(0, 10) == pytest.approx(2 / 2**10)


def test_equally_accurate_models_do_not_differ_significantly():
    assert mcnemar(0, 0) == mcnemar(5, 5) == 1


def test_p_values_are_adjusted_by_holms_method():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
