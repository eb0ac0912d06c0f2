import numpy as np
import pytest

from pipeline.calibration_error import BINS, ExpectedCalibrationError, add_example, calibration_error


def bins_of(*examples):
    """Bins after examples of (confidence, whether right); the rest of the probability is spread over the others."""
    bins = np.zeros((BINS, 3))
    for confidence, right in examples:
        probabilities = np.full(10, (1 - confidence) / 9, np.float32)
        probabilities[3] = confidence
        add_example(bins, probabilities, 3 if right else 4)
    return bins


def combiner():
    (computation,) = ExpectedCalibrationError().computations()
    return computation.combiner


def test_by_hand():
    # Bin of 0.91: confidence 0.91 and 0.91, one of two right, gap |1.82 - 1| = 0.82.
    # Bin of 0.5: confidence 0.5, right, gap |0.5 - 1| = 0.5. Together 1.32 of 3 examples.
    bins = bins_of((0.91, True), (0.91, False), (0.5, True))

    assert calibration_error(bins) == pytest.approx(1.32 / 3)


def test_gaps_of_one_bin_make_up_for_each_other_but_those_of_two_do_not():
    assert calibration_error(bins_of((0.75, True), (0.75, True), (0.75, True), (0.75, False))) == pytest.approx(0)
    assert calibration_error(bins_of((0.6, True), (0.95, False))) == pytest.approx((0.4 + 0.95) / 2)


def test_perfect_calibration_is_0():
    assert calibration_error(bins_of(*[(1.0, True)] * 5)) == pytest.approx(0)


def test_sure_and_wrong_is_1():
    assert calibration_error(bins_of((1.0, False))) == pytest.approx(1)


def test_a_confidence_of_1_is_in_the_last_bin():
    assert bins_of((1.0, True))[-1].tolist() == [1, 1, 1]


def test_without_examples_there_is_none():
    assert np.isnan(calibration_error(np.zeros((BINS, 3))))


def test_merged_parts_are_the_whole():
    examples = [(confidence, index % 3 > 0) for index, confidence in enumerate(np.linspace(0.2, 1, 40))]
    parts = [bins_of(*examples[:7]), bins_of(*examples[7:30]), bins_of(*examples[30:])]
    before = [part.copy() for part in parts]

    merged = combiner().merge_accumulators(iter(parts))

    np.testing.assert_allclose(merged, bins_of(*examples))
    for part, copy in zip(parts, before, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_nothing_merged_is_empty():
    assert combiner().merge_accumulators([]).tolist() == np.zeros((BINS, 3)).tolist()
