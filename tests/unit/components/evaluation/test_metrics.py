import math

import numpy as np
import pytest

from components.evaluation import metrics
from components.evaluation.metrics import BINS, DigitMetrics, Totals, image_digest
from pipeline.config import Thresholds
from pipeline.eval_config import create_eval_config


def totals_of(*examples, first=0):
    """Totals after examples of the digit 3, given as (confidence, right); the rest is spread over the other classes.

    Their pictures are numbered from `first`.
    """
    totals = Totals()
    for number, (confidence, right) in enumerate(examples, first):
        probabilities = np.full(10, (1 - confidence) / 9, np.float32)
        probabilities[3] = confidence
        totals.add(f"picture {number}".encode(), 3 if right else 4, probabilities)
    return totals


def combiner():
    (computation,) = DigitMetrics().computations(eval_config=create_eval_config(Thresholds()))
    return computation.combiner


def test_calibration_by_hand():
    # Bin of 0.91: confidence 0.91 and 0.91, one of two right, gap |1.82 - 1| = 0.82.
    # Bin of 0.5: confidence 0.5, right, gap |0.5 - 1| = 0.5. Together 1.32 of 3 examples.
    totals = totals_of((0.91, True), (0.91, False), (0.5, True))

    assert totals.calibration_error() == pytest.approx(1.32 / 3)


def test_gaps_cancel_within_a_bin_but_not_between_bins():
    one_bin = totals_of((0.75, True), (0.75, True), (0.75, True), (0.75, False))
    two_bins = totals_of((0.6, True), (0.95, False))

    assert one_bin.calibration_error() == pytest.approx(0)
    assert two_bins.calibration_error() == pytest.approx((0.4 + 0.95) / 2)


def test_perfect_calibration_is_0():
    assert totals_of(*[(1.0, True)] * 5).calibration_error() == pytest.approx(0)


def test_confident_and_wrong_is_1():
    assert totals_of((1.0, False)).calibration_error() == pytest.approx(1)


def test_a_confidence_of_1_is_in_the_last_bin():
    assert totals_of((1.0, True)).bins[-1].tolist() == [1, 1, 1]
    assert len(totals_of().bins) == BINS


def test_without_examples_there_is_no_error():
    assert np.isnan(Totals().calibration_error())


def test_loss_is_cross_entropy_and_finite_at_probability_0():
    assert totals_of((0.8, True), (0.1, False)).loss == pytest.approx(-math.log(0.8) - math.log(0.1))
    assert totals_of((1.0, False)).loss == pytest.approx(-math.log(1e-7))


def test_confusion_and_misclassified():
    totals = totals_of((0.9, True), (0.8, False))

    assert totals.confusion[3, 3] == 1
    assert totals.confusion[4, 3] == 1
    assert totals.examples == 2
    ((digest, label, predicted, probability),) = totals.misread
    assert (digest, label, predicted) == (image_digest(b"picture 1"), 4, 3)
    assert probability == pytest.approx(0.8)


def test_merged_parts_equal_the_whole():
    examples = [(confidence, index % 3 > 0) for index, confidence in enumerate(np.linspace(0.2, 1, 40))]
    parts = [totals_of(*examples[:7]), totals_of(*examples[7:30]), totals_of(*examples[30:])]
    whole = totals_of(*examples)
    before = [part.bins.copy() for part in parts]

    merged = combiner().merge_accumulators(iter(parts))

    np.testing.assert_allclose(merged.bins, whole.bins)
    np.testing.assert_array_equal(merged.confusion, whole.confusion)
    assert merged.loss == pytest.approx(whole.loss)
    assert len(merged.misread) == len(whole.misread)
    for part, copy in zip(parts, before, strict=True):
        np.testing.assert_array_equal(part.bins, copy)


def test_of_many_misclassified_the_lowest_digests_are_kept_in_any_order_of_merging(monkeypatch):
    monkeypatch.setattr(metrics, "MOST_MISREAD", 5)
    wrong = [(0.9, False)] * 40
    lowest = sorted(image_digest(f"picture {number}".encode()) for number in range(40))[:5]

    whole = totals_of(*wrong)
    merged = combiner().merge_accumulators([totals_of(*wrong[:8], first=first) for first in range(0, 40, 8)])

    for totals in (whole, merged):
        assert [digest for digest, *_ in totals.lowest_misread()] == lowest
        assert len(totals.misread) <= 10
        assert totals.confusion[4, 3] == 40


def test_merging_nothing_is_empty():
    merged = combiner().merge_accumulators([])

    assert merged.examples == 0
    assert merged.misread == []
