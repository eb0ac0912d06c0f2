import numpy as np
import pytest

from models.export.calibration import NON_DIGITS, RISK, choose_threshold, fit_temperature


def rows(best: list[float]) -> np.ndarray:
    """Probabilities [N, 10] with the highest for class 3."""
    rest = (1 - np.array(best))[:, np.newaxis] / 9
    table = np.repeat(rest, 10, axis=1)
    table[:, 3] = best
    return table


def test_the_temperature_undoes_a_scaling_of_calibrated_logits():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 10)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(10, p=row / row.sum()) for row in shares])
    assert fit_temperature(logits * 2.5, labels) == pytest.approx(2.5, rel=0.1)


def test_the_threshold_just_meets_the_risk():
    rng = np.random.default_rng(1)
    best = rng.uniform(0.3, 1, 5000)
    digits, outliers = rows(list(best)), rows(list(rng.uniform(0.1, 0.9, 2000)))
    labels = np.where(rng.random(5000) < best, 3, 4)

    def risk(threshold):
        wrong = (labels != 3) & (best >= threshold)
        return (1 - NON_DIGITS) * wrong.mean() + NON_DIGITS * (outliers.max(axis=1) >= threshold).mean()

    threshold = choose_threshold(digits, labels, outliers)
    assert risk(threshold) <= RISK < risk(threshold - 0.01)


def test_thresholds_of_perfect_and_of_useless_models():
    labels = np.full(100, 3)
    assert choose_threshold(rows([0.4] * 100), labels, rows([0.12] * 100)) < 0.4
    assert choose_threshold(rows([1.0] * 100), labels - 1, rows([1.0] * 100)) == 0.999
