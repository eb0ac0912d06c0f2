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


def test_outliers_lie_farther_from_training_images_than_other_digits_do(
    some_training_images: tuple[Images, Images], some_test_images: tuple[Images, Images]
) -> None:
    known = some_training_images[0].reshape(-1, 784).astype(np.float32)

    def distances(images: Images) -> npt.NDArray[np.float32]:
        """Distance to the nearest training image, in grey levels."""
        return np.stack([np.linalg.norm(known - image.reshape(784), axis=1).min() for image in images])

    outliers, digits = distances(make_outliers(200, seed=3)), distances(some_test_images[0])
    assert outliers.min() > np.percentile(digits, 5)
    assert np.median(outliers) > np.percentile(digits, 75)
