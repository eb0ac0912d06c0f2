import cv2
import numpy as np
import pytest

from models.features import OUTLIER
from pipeline.data.drift import FEWEST, measure_drift


@pytest.fixture(scope="module")
def digits(some_training_images):
    images, labels = some_training_images
    return images, labels.astype(np.int64)


def test_digits_of_the_same_kind_hardly_differ(digits):
    images, labels = digits

    drift = measure_drift((images[:300], labels[:300]), (images[300:], labels[300:]))

    assert drift.largest < 0.15


def test_what_differs_is_named(digits):
    images, labels = digits
    shear = np.array([[1, -0.6, 8], [0, 1, 0]], np.float32)
    slanted = np.stack([cv2.warpAffine(image, shear, (28, 28)) for image in images[:200]])
    thick = np.stack([cv2.dilate(image, np.ones((4, 4), np.uint8)) for image in images[:200]])
    few = np.flatnonzero(labels < 5)[:200]
    reference = (images[200:], labels[200:])

    by_slant = measure_drift((slanted, labels[:200]), reference)
    by_ink = measure_drift((thick, labels[:200]), reference)
    by_label = measure_drift((images[few], labels[few]), reference)

    assert by_slant.largest == by_slant.slant > 0.5
    assert by_ink.largest == by_ink.ink > 0.5
    assert by_label.largest == by_label.labels == pytest.approx(0.1, abs=0.08)
    assert str(by_slant).startswith(f"slant by {by_slant.slant:.2f}, ink by ")


def test_few_digits_and_non_digits_are_not_compared(digits):
    images, labels = digits

    assert measure_drift((images[: FEWEST - 1], labels[: FEWEST - 1]), digits) is None
    assert measure_drift((images[:99], np.full(99, OUTLIER)), digits) is None
