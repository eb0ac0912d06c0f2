import numpy as np

from models.synthesis.drawn_digits import make_drawn_digits


def test_in_mnists_format_and_repeatable():
    (images, labels), again = make_drawn_digits(300, seed=1), make_drawn_digits(300, seed=1)
    assert images.shape == (300, 28, 28)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(images, again[0])
    np.testing.assert_array_equal(labels, again[1])
    assert (make_drawn_digits(300, seed=2)[0] != images).any()
    assert (images.max(axis=(1, 2)) > 200).all()


def test_every_class_occurs_and_those_with_more_forms_more_often():
    counts = np.bincount(make_drawn_digits(2000, seed=3)[1], minlength=10)
    assert counts.min() > 30
    assert set(np.argsort(counts)[:2]) == {3, 8}


def test_most_are_nearest_to_training_images_of_their_class(some_training_images):
    """With random labels, a tenth would be."""
    known, classes = (array[:1200] for array in some_training_images)
    images, labels = make_drawn_digits(300, seed=4)
    vectors = [array.reshape(-1, 784).astype(np.float32) / 255 for array in (images, known)]
    nearest = np.linalg.norm(vectors[0][:, np.newaxis] - vectors[1][np.newaxis], axis=2).argmin(axis=1)
    assert (classes[nearest] == labels).mean() > 0.5
