import cv2
import numpy as np
import pytest
import tensorflow as tf

from models.preprocessing import decode_images, preprocess_images, preprocessing_fn, restore_images


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)


@pytest.fixture
def png(images):
    return tf.constant([cv2.imencode(".png", image)[1].tobytes() for image in images])


def test_decodes_what_was_encoded(images, png):
    np.testing.assert_array_equal(decode_images(png), images)
    np.testing.assert_array_equal(decode_images(png[:, tf.newaxis]), images)


def test_another_size_is_an_error():
    small = tf.constant([cv2.imencode(".png", np.zeros((20, 28), np.uint8))[1].tobytes()])
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_images(small)


def test_pads_by_two_and_normalises(images):
    result = preprocess_images(images).numpy()
    assert result.shape == (5, 32, 32, 1)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[:, 2:-2, 2:-2], images / np.float32(255), rtol=1e-6)
    result[:, 2:-2, 2:-2] = 0
    assert not result.any()


def test_every_level_is_restored():
    images = np.resize(np.arange(256, dtype=np.uint8), (1, 28, 28, 1))
    np.testing.assert_array_equal(restore_images(preprocess_images(images)), images)


def test_transform_agrees(images, png):
    outputs = preprocessing_fn({"image": png[:, tf.newaxis], "label": tf.constant([[3], [1], [4], [1], [5]])})
    np.testing.assert_array_equal(outputs["image"], preprocess_images(images))
    assert outputs["label"].numpy().tolist() == [3, 1, 4, 1, 5]


def test_serving_needs_no_label(png):
    assert set(preprocessing_fn({"image": png})) == {"image"}
