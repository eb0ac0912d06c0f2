import numpy as np
import pytest
import tensorflow as tf

from models.synthesis.augmentation import augment


@pytest.fixture
def images(some_training_images):
    pixels = some_training_images[0][:64, :, :, None] / np.float32(255)
    return tf.constant(np.pad(pixels, ((0, 0), (2, 2), (2, 2), (0, 0))))


def test_keeps_shape_dtype_and_range(images):
    varied = augment(images, tf.constant([1, 2])).numpy()
    assert varied.shape == images.shape
    assert varied.dtype == np.float32
    assert varied.min() >= 0
    assert varied.max() <= 1


def test_depends_on_the_seed_only(images):
    first, again, other = (augment(images, tf.constant(seed)).numpy() for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


def test_images_are_varied_independently(images):
    same = tf.repeat(images[:1], 16, axis=0)
    varied = augment(same, tf.constant([1, 2])).numpy()
    assert all(np.abs(varied[0] - other).mean() > 1e-3 for other in varied[1:])


def test_the_digit_stays_in_place(images):
    """Variation is mild: the amount of ink stays similar, and its centre moves by a few pixels."""
    varied = augment(images, tf.constant([1, 2])).numpy()
    ink = varied.sum(axis=(1, 2, 3)) / images.numpy().sum(axis=(1, 2, 3))
    assert ink.min() > 0.4
    assert ink.max() < 2.5

    def centre(batch):
        weights = batch[..., 0]
        grid = np.arange(weights.shape[1])
        total = weights.sum(axis=(1, 2))
        return np.stack([(weights.sum(axis=2) @ grid) / total, (weights.sum(axis=1) @ grid) / total], axis=1)

    assert np.abs(centre(varied) - centre(images.numpy())).max() < 4
