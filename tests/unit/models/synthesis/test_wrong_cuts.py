import cv2
import numpy as np

from models.synthesis.wrong_cuts import LIKE_A_DIGIT, make_wrong_cuts


def unit(images):
    halves = np.stack(
        [cv2.GaussianBlur(cv2.resize(i, (14, 14), interpolation=cv2.INTER_AREA), (3, 3), 0) for i in images]
    )
    halves = halves.reshape(-1, 196).astype(np.float32)
    return halves / np.linalg.norm(halves, axis=1, keepdims=True)


def test_in_mnists_format_and_repeatable(some_training_images):
    digits = some_training_images[0]
    first, second = make_wrong_cuts(digits, 100, seed=1), make_wrong_cuts(digits, 100, seed=1)
    assert first.shape == (100, 28, 28)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    assert (make_wrong_cuts(digits, 100, seed=2) != first).any()
    assert (first.max(axis=(1, 2)) > 100).mean() > 0.95


def test_none_resembles_a_digit(some_training_images):
    digits = some_training_images[0]
    cuts = make_wrong_cuts(digits, 200, seed=3)
    assert (unit(cuts) @ unit(digits).T).max() < LIKE_A_DIGIT + 0.01  # (tolerance for rounding)
    assert np.median((unit(digits[:200]) @ unit(digits[200:]).T).max(axis=1)) > LIKE_A_DIGIT


def test_digits_without_ink_give_no_cuts():
    assert make_wrong_cuts(np.zeros((5, 28, 28), np.uint8), 0, seed=1).shape == (0, 28, 28)
    assert len(make_wrong_cuts(np.zeros((5, 28, 28), np.uint8), 10, seed=1)) == 0
