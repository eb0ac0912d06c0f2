import keras
import numpy as np
import pytest

from models.training.input_pipeline import OUTLIER
from models.training.objective import DigitAccuracy, OutlierExposureLoss


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(0, 3, (6, 10)).astype(np.float32)


def test_on_digits_it_is_cross_entropy_from_logits(logits):
    labels = np.array([3, 1, 4, 1, 5, 9])
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    assert float(OutlierExposureLoss()(labels, logits)) == pytest.approx(float(expected), rel=1e-6)


def test_on_outliers_the_loss_is_lowest_for_a_uniform_answer(logits):
    labels = np.full(6, OUTLIER)
    least = float(OutlierExposureLoss()(labels, np.zeros((6, 10), np.float32)))
    assert least == pytest.approx(np.log(10), rel=1e-6)
    assert float(OutlierExposureLoss()(labels, logits)) > least


def test_accuracy_counts_digits_only(logits):
    labels = logits.argmax(axis=1)
    labels[1] = (labels[1] + 1) % 10
    labels[2:4] = OUTLIER
    metric = DigitAccuracy()
    metric.update_state(labels[:, None], logits)
    assert float(metric.result()) == pytest.approx(3 / 4)
