"""AnomalyGate on TFDV's anomalies of real statistics, against the committed schema."""

import json
import os
import re
from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tfx.types import standard_artifacts
from tfx.types.channel_utils import as_channel

from components.anomaly_gate import AnomaliesFoundError, AnomalyGate, check_anomalies, check_examples, find_anomalies
from components.mnist_example_gen.executor import encode_examples, write_shard
from pipeline.config import SCHEMA_FILE


@pytest.fixture
def validate(tmp_path, some_test_images):
    """Validates 50 examples, each passed through a function that may damage it; returns ExampleAnomalies."""

    def validate(change=lambda example: None):
        path = str(tmp_path / "examples.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for serialized in encode_examples(*(array[:50] for array in some_test_images)):
                example = tf.train.Example.FromString(serialized)
                change(example.features.feature)
                writer.write(example.SerializeToString())
        statistics = tfdv.generate_statistics_from_tfrecord(path)
        found = tfdv.validate_statistics(statistics, tfdv.load_schema_text(str(SCHEMA_FILE)))
        artifact = standard_artifacts.ExampleAnomalies()
        artifact.uri = str(tmp_path / "anomalies")
        artifact.split_names = '["train", "test"]'
        for split in ("train", "test"):
            folder = os.path.join(artifact.uri, f"Split-{split}")
            os.makedirs(folder)
            with open(os.path.join(folder, "SchemaDiff.pb"), "wb") as file:
                file.write(found.SerializeToString() if split == "test" else b"")
        return artifact

    return validate


@pytest.mark.parametrize("inverted", [False, True])
def test_the_executor_accepts_mnist_and_stops_at_inverted_images(validate, examples_of, some_test_images, inverted):
    images, labels = some_test_images
    examples = examples_of(test=(255 - images if inverted else images, labels))
    anomalies = validate()
    component = AnomalyGate(anomalies=as_channel([anomalies]), examples=as_channel([examples]))
    executor = component.executor_spec.executor_class()

    with pytest.raises(AnomaliesFoundError, match=r"split test: .*inverted") if inverted else nullcontext():
        executor.Do({"anomalies": [anomalies], "examples": [examples]}, {}, component.exec_properties)


@pytest.mark.parametrize(
    ("change", "feature", "description"),
    [
        (lambda features: features["label"].int64_list.value.__setitem__(0, 12), "label", "Unexpectedly large value"),
        (lambda features: features.pop("image"), "image", "dropped"),
        (lambda features: features["colour"].int64_list.value.append(1), "colour", "New column"),
        (lambda features: features["label"].int64_list.value.append(1), "label", "shape"),
    ],
    ids=["label out of range", "no image", "unknown feature", "two labels"],
)
def test_schema_violations_are_listed(validate, change, feature, description):
    artifact = validate(change)
    with pytest.raises(AnomaliesFoundError, match=r"pipeline/schema\.pbtxt:\n") as caught:
        check_anomalies(artifact)
    assert f"split test, feature {feature}: " in str(caught.value)
    assert description.lower() in str(caught.value).lower()
    assert "split train" not in str(caught.value)


@pytest.fixture
def examples_of(tmp_path):
    """An Examples artifact with the given splits, as MnistExampleGen writes them."""

    def examples_of(**splits):
        artifact = standard_artifacts.Examples()
        artifact.uri = str(tmp_path)
        artifact.split_names = json.dumps(list(splits))
        for name, (images, labels) in splits.items():
            folder = tmp_path / f"Split-{name}"
            folder.mkdir()
            write_shard(str(folder), 0, 1, images, labels)
        return artifact

    return examples_of


def test_mnist_has_no_anomalies(examples_of, some_training_images, some_test_images):
    check_examples(examples_of(train=some_training_images, test=some_test_images))


def test_missing_and_rare_digits_are_named(examples_of, some_training_images, some_test_images):
    images, labels = some_training_images
    keep = (labels != 8) | (np.cumsum(labels == 8) == 1)
    test_images, test_labels = some_test_images

    with pytest.raises(AnomaliesFoundError) as caught:
        check_examples(
            examples_of(
                train=(images[keep], labels[keep]), test=(test_images[test_labels != 3], test_labels[test_labels != 3])
            )
        )

    assert f"split train: the digit 8 is too rare: 1 of {keep.sum():,} examples, less than 1%" in str(caught.value)
    assert "split test: no example has the digit 3: the data is incomplete" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


def test_an_empty_split_is_an_anomaly(examples_of, some_test_images):
    images, labels = some_test_images

    with pytest.raises(AnomaliesFoundError, match="split eval: no examples"):
        check_examples(examples_of(test=(images, labels), eval=(images[:0], labels[:0])))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda images: images.swapaxes(1, 2), "look transposed, .* EMNIST"),
        (lambda images: np.rot90(images, axes=(1, 2)), "look transposed"),
        (lambda images: 255 - images, "look inverted"),
        (lambda images: 255 - images.swapaxes(1, 2), "look inverted"),
    ],
    ids=["transposed", "turned", "inverted", "both"],
)
def test_transposed_and_inverted_images_are_anomalies_with_their_likely_cause(some_test_images, change, cause):
    images, labels = some_test_images

    (found,) = find_anomalies(change(images), labels)

    assert re.search(cause, found)
