import numpy as np
import pytest
import tensorflow as tf

from models.training import input_pipeline
from models.training.input_pipeline import OUTLIER, Share, Split, training_batches
from models.training.streaming import open_stream

SIZE = 200


def numbered(records):
    """Images that encode the numbers of their records."""
    numbers = tf.strings.to_number(records, tf.int64)
    images = tf.ones([1, 32, 32, 1]) * tf.cast(numbers, tf.float32)[:, None, None, None] / SIZE
    return images, numbers


@pytest.fixture
def files(tmp_path):
    """Ten files of 20 records, 0 to 199 in order."""
    paths = [str(tmp_path / f"{number}.gz") for number in range(10)]
    for number, path in enumerate(paths):
        with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
            for record in range(20 * number, 20 * number + 20):
                writer.write(str(record).encode())
    return paths


@pytest.fixture
def stream(files):
    return open_stream(files, numbered, memory=2**20)


def labels_of(stream, **options):
    batches = training_batches(stream, 8, varied=False, **{"epochs": 1, "seed": 1, **options})
    return [labels.numpy().tolist() for _, labels in batches]


def test_the_window_fits_the_memory(files):
    assert open_stream(files, numbered, memory=2**20).size == SIZE
    assert open_stream(files, numbered, memory=2**20).window == SIZE, "no more than there is"
    assert open_stream(files, numbered, memory=50 * 130).window == 50
    assert open_stream(files, numbered, memory=1).window == 1


def test_each_epoch_has_every_example_once_in_a_new_order(stream):
    batches = labels_of(stream, epochs=2)
    assert [len(batch) for batch in batches] == [8] * 50
    first, second = np.concatenate(batches[:25]).tolist(), np.concatenate(batches[25:]).tolist()
    assert sorted(first) == sorted(second) == list(range(SIZE))
    assert first != second
    assert first != sorted(first)
    assert labels_of(stream, seed=2)[0] != batches[0]


def test_a_window_of_one_still_mixes_the_files(files):
    first = np.concatenate(labels_of(open_stream(files, numbered, memory=1))[:10])
    assert len({label // 20 for label in first}) == 10


def test_a_resumed_training_gets_the_same_examples(stream):
    options = {"varied": True, "outliers": 2, "seed": 5, "epochs": 3}
    whole = list(training_batches(stream, 8, **options))
    rest = list(training_batches(stream, 8, first_epoch=2, **options))
    assert len(rest) == 25
    for (images, labels), (other_images, other_labels) in zip(whole[50:], rest, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def test_images_keep_their_labels_and_outliers_are_added(stream):
    for images, labels in training_batches(stream, 8, epochs=1, seed=1, varied=False, outliers=3):
        np.testing.assert_allclose(images[:8, 0, 0, 0], labels[:8].numpy() / SIZE, rtol=1e-6)
        assert labels[8:].numpy().tolist() == [OUTLIER] * 3


@pytest.mark.parametrize("number", [10, 1], ids=["each its files", "one file for both"])
def test_two_workers_see_every_example_between_them(files, number):
    stream = open_stream(files[:number], numbered, memory=2**20)
    shares = [Share(first, 1, 2) for first in (0, 1)]
    seen = [np.concatenate(labels_of(stream, share=share)) for share in shares]
    steps = stream.size // 16
    assert [len(labels) for labels in seen] == [8 * steps] * 2
    assert not set(seen[0]) & set(seen[1])


def test_several_programs_draw_the_same_examples_as_one():
    split = Split(tf.zeros([SIZE, 32, 32, 1]), tf.range(SIZE, dtype=tf.int64))
    whole = [labels.numpy() for _, labels in training_batches(split, 16, epochs=2, seed=3, varied=False)]
    parts = [
        [labels.numpy() for _, labels in training_batches(split, 4, epochs=2, seed=3, varied=False, share=share)]
        for share in (Share(0, 2, 4), Share(2, 2, 4))
    ]
    together = [np.concatenate([*parts[0][at : at + 2], *parts[1][at : at + 2]]) for at in range(0, 2 * len(whole), 2)]
    np.testing.assert_array_equal(whole, together)


def test_small_sets_are_kept_in_memory_and_large_ones_streamed(files, monkeypatch):
    class Transform:
        """The part of a transform graph that load_split uses, for records that are numbers."""

        def raw_feature_spec(self):
            return {"label": tf.io.FixedLenFeature([], tf.int64)}

        def transform_features_layer(self):
            return lambda features: {
                "image": tf.zeros([tf.size(features["label"]), 32, 32, 1]),
                "label": features["label"],
            }

    monkeypatch.setattr(input_pipeline, "_READ_BATCH", 64)
    for number, path in enumerate(files):
        with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
            for record in range(20 * number, 20 * number + 20):
                feature = {"label": tf.train.Feature(int64_list=tf.train.Int64List(value=[record]))}
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    assert isinstance(input_pipeline.load_or_stream(files, Transform(), 2**20), Split)
    stream = input_pipeline.load_or_stream(files, Transform(), 2**19)
    assert stream.size == SIZE
    assert sorted(np.concatenate(labels_of(stream))) == list(range(SIZE))
    images, labels = training_batches(stream, 8, epochs=1, seed=1, varied=True).element_spec
    assert (images.shape, labels.shape) == ((8, 32, 32, 1), (8,))
