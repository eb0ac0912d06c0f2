import math

import pytest
from factories import make_thresholds

from components.evaluation.metrics import image_digest
from components.evaluation.result import Failure, read_evaluation


def test_figures_of_a_blessed_model(evaluate):
    result = read_evaluation(evaluate(make_thresholds(0.5, 0.5, 0), {3: 4}))

    assert result.accuracy == pytest.approx(0.96)
    assert result.examples == 100
    assert result.accuracy_by_digit == pytest.approx({digit: 0.6 if digit == 3 else 1.0 for digit in range(10)})
    assert list(result.accuracy_by_digit) == list(range(10))
    assert result.worst_digit == 3
    assert result.baseline_accuracy is None
    assert result.blessed
    assert result.failures == ()
    # Right answers have a probability of 0.91, wrong ones give 0.01 to the label.
    assert result.loss == pytest.approx(-(0.96 * math.log(0.91) + 0.04 * math.log(0.01)), rel=1e-4)
    assert result.calibration_error == pytest.approx(0.96 - 0.91, abs=1e-5)


def test_the_confusion_matrix_and_the_mistakes(evaluate):
    result = read_evaluation(evaluate(make_thresholds(0, 0, 0), {3: 4, 0: 1}, {9: 10}))

    for digit, row in enumerate(result.confusion):
        wrong = {3: 4, 0: 1}.get(digit, 0)
        assert row[digit] == 10 - wrong
        assert row[(digit + 1) % 10] == wrong
    assert sum(map(sum, result.confusion)) == 100
    # The first of each digit are wrong: of 0 the picture 0, of 3 the pictures 3, 13, 23 and 33.
    assert {misread.digest for misread in result.misread} == {
        image_digest(f"picture {number}".encode()) for number in (0, 3, 13, 23, 33)
    }
    assert {(misread.label, misread.predicted) for misread in result.misread} == {(0, 1), (3, 4)}
    assert [misread.probability for misread in result.misread] == pytest.approx([0.91] * 5)


def test_figures_beside_a_baseline_and_missed_thresholds(evaluate):
    result = read_evaluation(evaluate(make_thresholds(0.97, 0.9, 0.01), {3: 4}, {0: 1}))

    assert result.accuracy == pytest.approx(0.96)
    assert result.baseline_accuracy == pytest.approx(0.99)
    assert not result.blessed
    assert len(result.failures) == 3
    by_kind = {(failure.digit, failure.is_change): failure for failure in result.failures}
    assert_failure(by_kind[None, False], Failure(None, 0.96, 0.97, False))
    assert_failure(by_kind[None, True], Failure(None, -0.03, -0.01, True))
    assert_failure(by_kind[3, False], Failure(3, 0.6, 0.9, False))


def assert_failure(found, expected):
    assert found.value == pytest.approx(expected.value, abs=1e-5)
    assert found.bound == pytest.approx(expected.bound, abs=1e-5)
