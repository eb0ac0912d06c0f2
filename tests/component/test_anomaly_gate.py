"""AnomalyGate on what TFDV finds in real statistics, against the schema that is committed."""

import os

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tfx.types import standard_artifacts

from components.anomaly_gate import AnomaliesFoundError, check_anomalies
from components.mnist_example_gen.executor import encode_examples
from pipeline.config import SCHEMA_FILE


@pytest.fixture
def validate(tmp_path, some_test_images):
    """Validates 50 examples, each sent through a function that may spoil it; returns the ExampleAnomalies artifact."""

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


def test_real_examples_pass(validate):
    check_anomalies(validate())


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
def test_what_breaks_the_schema_is_listed(validate, change, feature, description):
    artifact = validate(change)
    with pytest.raises(AnomaliesFoundError, match=r"pipeline/schema\.pbtxt:\n") as caught:
        check_anomalies(artifact)
    assert f"split test, feature {feature}: " in str(caught.value)
    assert description.lower() in str(caught.value).lower()
    assert "split train" not in str(caught.value)
