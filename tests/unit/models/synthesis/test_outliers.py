import numpy as np
import numpy.typing as npt

from models.synthesis.outliers import make_outliers

Images = npt.NDArray[np.uint8]


def test_in_mnists_format_and_repeatable() -> None:
    first, second = make_outliers(200, seed=1), make_outliers(200, seed=1)
    assert first.shape == (200, 28, 28)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    assert (make_outliers(200, seed=2) != first).any()
    assert len(np.unique(first, axis=0)) > 190
    assert np.mean(first.max(axis=(1, 2)) > 200) > 0.9


def test_no_outlier_is_a_digit_of_the_training_images(some_training_images: tuple[Images, Images]) -> None:
    digits = some_training_images[0].reshape(-1, 784).astype(np.float32)
    outliers = make_outliers(200, seed=3).reshape(-1, 784).astype(np.float32)
    distances = np.linalg.norm(outliers[:, np.newaxis] - digits[np.newaxis, :], axis=2)
    assert distances.min() > 0
