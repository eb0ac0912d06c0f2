import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from models.training.input_pipeline import OUTLIER, Split, training_batches


@pytest.fixture
def split():
    """Images whose pixels encode their number."""
    numbers = np.arange(50)
    images = np.broadcast_to((numbers / 50)[:, None, None, None], (50, 32, 32, 1)).astype(np.float32)
    return Split(tf.constant(images), tf.constant(numbers))


def labels_of(dataset):
    return [labels.numpy().tolist() for _, labels in dataset]


def test_each_epoch_is_a_new_permutation_of_whole_batches(split):
    batches = labels_of(training_batches(split, 8, epochs=2, seed=1, varied=False))
    assert [len(batch) for batch in batches] == [8] * 12
    first, second = np.concatenate(batches[:6]).tolist(), np.concatenate(batches[6:]).tolist()
    assert len(set(first)) == len(set(second)) == 48
    assert first != second
    assert first != sorted(first)


def test_images_keep_their_labels(split):
    for images, labels in training_batches(split, 8, epochs=1, seed=1, varied=False):
        np.testing.assert_allclose(images[:, 0, 0, 0], labels.numpy() / 50, rtol=1e-6)


@pytest.mark.parametrize("varied", [False, True])
def test_a_resumed_training_gets_the_same_examples(split, varied):
    options = {"varied": varied, "outliers": 2, "drawn_digits": 3}
    whole = list(training_batches(split, 8, epochs=3, seed=5, **options))
    rest = list(training_batches(split, 8, epochs=3, seed=5, first_epoch=2, **options))
    assert len(rest) == 6
    for (images, labels), (other_images, other_labels) in zip(whole[12:], rest, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def test_another_seed_is_another_order(split):
    first, second = (labels_of(training_batches(split, 8, epochs=1, seed=seed, varied=False)) for seed in (1, 2))
    assert first != second


def test_outliers_and_drawn_digits_are_added_to_the_batch(split):
    for images, labels in training_batches(split, 8, epochs=2, seed=1, varied=False, outliers=3, drawn_digits=4):
        assert (labels[:8].numpy() >= 0).all()
        assert labels[8:11].numpy().tolist() == [OUTLIER] * 3
        assert (labels[11:].numpy() >= 0).all()
        assert images.shape == (15, 32, 32, 1)
        assert images[8:].numpy().max() <= 1
        assert images[8:].numpy().any(axis=(1, 2, 3)).all()


def test_images_are_in_memory_once(tmp_path):
    """While they are read and while batches are drawn; in a separate process, because peak memory is measured."""
    program = """
import resource, sys
import numpy as np
import psutil
import tensorflow as tf
from models.training.input_pipeline import load_or_stream, training_batches

class Transform:
    def raw_feature_spec(self):
        return {"label": tf.io.FixedLenFeature([], tf.int64)}

    def transform_features_layer(self):
        return lambda features: {
            "image": tf.ones([tf.size(features["label"]), 32, 32, 1]), "label": features["label"]
        }

def peak():
    try:  # (ru_maxrss is at least that of the process that started this one)
        (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
        return int(line.split()[1]) / 2**10
    except FileNotFoundError:  # macOS
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

feature = {"label": tf.train.Feature(int64_list=tf.train.Int64List(value=[3]))}
record = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
def write(name, count):
    with tf.io.TFRecordWriter(name, tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for _ in range(count):
            writer.write(record)

write(sys.argv[1] + "/few.gz", 4096)
write(sys.argv[1] + "/many.gz", 51200 + 4096)
def load(name):
    split = load_or_stream([sys.argv[1] + name], Transform(), 2**30)
    next(iter(training_batches(split, 8, epochs=1, seed=1, varied=False)))
    return split

load("/few.gz")  # what TensorFlow itself takes
before = psutil.Process().memory_info().rss / 2**20
split = load("/many.gz")
print(split.size, np.mean(split.images), peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    size, mean, mebibytes = done.stdout.split()

    assert (int(size), float(mean)) == (51200 + 4096, 1.0)
    assert 200 < float(mebibytes) < 280, "216 MiB of images"
