"""MnistExampleGen's executor on real files."""

import gzip
import json
import os
import shutil
from datetime import datetime, timezone

import numpy as np
import pytest
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components.mnist_example_gen import executor
from components.mnist_example_gen.component import Driver, MnistExampleGen
from components.mnist_example_gen.executor import Executor, MissingDataError, SourceFileError
from pipeline.config import PipelineConfig
from serving_bot.feedback.contribution import Contribution, FeedbackError
from serving_bot.feedback.snapshot import take_snapshot
from serving_bot.feedback.store import Store


def generate(folder, output, eval_size=200, feedback=None):
    """Runs the executor as the component would; returns the artifact."""
    spec = MnistExampleGen(str(folder), eval_size, feedback).spec.exec_properties
    properties = {
        key: value if isinstance(value, (int, str)) or value is None else proto_utils.proto_to_json(value)
        for key, value in spec.items()
    }
    examples = standard_artifacts.Examples()
    examples.uri = str(output)
    context = BaseBeamExecutor.Context(beam_pipeline_args=list(PipelineConfig.beam_args))
    Executor(context).Do({}, {"examples": [examples]}, properties)
    return examples


def read(examples, split):
    """Images uint8 [N, 28, 28] and labels [N] of a split, in the order of its files."""
    files = sorted(tf.io.gfile.glob(os.path.join(examples.uri, f"Split-{split}", "*")))
    spec = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
    records = [
        tf.io.parse_single_example(record, spec) for record in tf.data.TFRecordDataset(files, compression_type="GZIP")
    ]
    images = np.stack([tf.io.decode_png(record["image"]).numpy()[..., 0] for record in records])
    return images, np.array([record["label"].numpy() for record in records])


@pytest.mark.parametrize("compressed", [True, False], ids=["gzip", "plain"])
def test_splits_hold_every_image_once_and_in_order(
    tmp_path, write_mnist, some_training_images, some_test_images, compressed, monkeypatch
):
    monkeypatch.setattr("components.mnist_example_gen.executor._SHARD", 450)  # several files per split
    folder = write_mnist(tmp_path / "data", some_training_images, some_test_images, compressed=compressed)
    examples = generate(folder, tmp_path / "out")
    assert json.loads(examples.split_names) == ["train", "eval", "test"]
    train, held_out, test = (read(examples, split) for split in ("train", "eval", "test"))
    for position, kind in enumerate(("images", "labels")):
        both = np.concatenate([train[position], held_out[position]])
        np.testing.assert_array_equal(both, some_training_images[position], err_msg=kind)
        np.testing.assert_array_equal(test[position], some_test_images[position], err_msg=kind)
    assert len(held_out[1]) == 200
    assert json.loads(examples.get_string_custom_property("split_sizes")) == {"train": 1000, "eval": 200, "test": 300}


def test_the_source_of_the_data_is_recorded(tmp_path, write_mnist, some_training_images, some_test_images):
    folder = write_mnist(tmp_path / "data", some_training_images, some_test_images)
    assert generate(folder, tmp_path / "out").get_string_custom_property("source") == "user"
    (folder / "source.json").write_text('{"source": "mirror"}')
    assert generate(folder, tmp_path / "out2").get_string_custom_property("source") == "mirror"


def test_shards_of_an_uncompressed_file_are_read_from_their_offsets(
    tmp_path, write_mnist, some_training_images, some_test_images, monkeypatch
):
    monkeypatch.setattr(executor, "_SHARD", 300)
    folders = [
        write_mnist(tmp_path / str(compressed), some_training_images, some_test_images, compressed=compressed)
        for compressed in (False, True)
    ]
    pieces, whole = (
        [piece for part in executor.find_parts(str(folder), 200).values() for piece in executor.split_part(part)]
        for folder in folders
    )
    assert [(number, piece.start, piece.stop) for number, piece in pieces] == [
        *[(0, 0, 300), (1, 300, 600), (2, 600, 900), (3, 900, 1000)],
        *[(0, 1000, 1200)],
        *[(0, 0, 300)],
    ]
    assert [number for number, _ in whole] == [0, 0, 0]
    for index in (0, 1):
        one, other = (
            np.concatenate([batch[index] for _, piece in found for batch in executor.read_batches(piece)])
            for found in (pieces, whole)
        )
        np.testing.assert_array_equal(one, other)


def test_small_sets_keep_most_of_their_training_images(tmp_path, write_mnist, some_training_images, some_test_images):
    folder = write_mnist(tmp_path / "data", some_training_images, some_test_images)
    examples = generate(folder, tmp_path / "out", eval_size=2000)
    assert json.loads(examples.get_string_custom_property("split_sizes")) == {"train": 1000, "eval": 200, "test": 300}


def cut(path, number):
    path.write_bytes(path.read_bytes()[:-number])


def set_byte(path, offset, value):
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[offset] = value
    path.write_bytes(gzip.compress(bytes(data)))


@pytest.mark.parametrize(
    ("damage", "named", "problem"),
    [
        (lambda f: set_byte(f["train-images"], 3, 9), "train-images-idx3-ubyte.gz, offset 0", "magic number 2057"),
        (lambda f: set_byte(f["train-images"], 11, 27), "train-images-idx3-ubyte.gz, offset 8", "27×28"),
        (lambda f: set_byte(f["train-labels"], 7, 1), "train-labels-idx1-ubyte.gz, offset 4", "labels for 1025 images"),
        (lambda f: set_byte(f["train-labels"], 8 + 1100, 12), "train-labels-idx1-ubyte.gz, offset 1108", "label 12"),
        (lambda f: set_byte(f["t10k-labels"], 8, 255), "t10k-labels-idx1-ubyte.gz, offset 8", "label 255"),
        (lambda f: cut(f["t10k-images"], 900), "t10k-images-idx3-ubyte.gz, offset", "cut short"),
    ],
    ids=["magic", "size", "counts", "training label", "test label", "truncated"],
)
def test_damage_is_one_error_with_file_and_offset(
    tmp_path, write_mnist, some_training_images, some_test_images, damage, named, problem
):
    folder = write_mnist(tmp_path / "data", some_training_images, some_test_images)
    damage({path.name[:12].rstrip("-"): path for path in folder.iterdir()})
    with pytest.raises(Exception, match=problem) as caught:
        generate(folder, tmp_path / "out")
    assert f"{folder}/{named}" in str(caught.value)


def test_a_missing_file_is_reported_with_the_next_step(tmp_path, write_mnist, some_training_images, some_test_images):
    folder = write_mnist(tmp_path / "data", some_training_images, some_test_images)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(MissingDataError, match=r"t10k-labels-idx1-ubyte\[\.gz\]: `digits data --dest"):
        generate(folder, tmp_path / "out")


@pytest.mark.parametrize("content", [b"\xe8\x00 no text", b"[]", b'{"counts": {}}', b"{"])
def test_an_unreadable_source_note_is_named(tmp_path, write_mnist, some_training_images, some_test_images, content):
    folder = write_mnist(tmp_path / "data", some_training_images, some_test_images)
    (folder / "source.json").write_bytes(content)

    with pytest.raises(SourceFileError, match=r"source\.json is not what `digits data` writes .*: remove it"):
        generate(folder, tmp_path / "out")


def test_too_few_images_are_refused(tmp_path, write_mnist, some_training_images, some_test_images):
    images, labels = some_training_images
    folder = write_mnist(tmp_path / "data", (images[:5], labels[:5]), some_test_images)
    with pytest.raises(MissingDataError, match="too few images, 5 for training and 300 for testing"):
        generate(folder, tmp_path / "out")


def test_the_fingerprint_depends_on_content(tmp_path, write_mnist, some_training_images, some_test_images):
    """A copy has the same one; other data with equal sizes and times, which are all that TFX uses, has another."""
    folder = write_mnist(tmp_path / "data", some_training_images, some_test_images, compressed=False)
    copy = shutil.copytree(folder, tmp_path / "copy")
    for path in copy.iterdir():
        os.utime(path, (0, 0))
    other = shutil.copytree(folder, tmp_path / "other")
    path = other / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    for path in other.iterdir():
        shutil.copystat(folder / path.name, path)

    def resolve(data):
        """The part of TFX's cache key that depends on the data."""
        properties = {
            key: value if isinstance(value, (int, str)) or value is None else proto_utils.proto_to_json(value)
            for key, value in MnistExampleGen(str(data), 200).spec.exec_properties.items()
        }
        return Driver(None).resolve_exec_properties(properties, None, None)["input_fingerprint"]

    assert resolve(folder) == resolve(copy) != resolve(other)
    assert generate(other, tmp_path / "out").get_string_custom_property("input_fingerprint") == resolve(other)


@pytest.fixture
def feedback(tmp_path):
    """A feedback folder of eight contributors: each sent a 3, a 7 and a non-digit; all are accepted."""
    store = Store(str(tmp_path / "feedback"))
    rng = np.random.default_rng(3)
    for number in range(24):
        one = Contribution(
            id=f"{number:032x}",
            contributor=f"person {number % 8}",
            image=rng.integers(0, 256, (28, 28), dtype=np.uint8),
            said=(3, 7, None)[number // 8],
            answered=1,
            probability=0.6,
            version=5,
            at=datetime(2026, 11, 27, tzinfo=timezone.utc),
        )
        store.add(one.id, one.contributor, one.to_png())
        store.review(one, "accepted", one.said)
    return store


def take(store):
    snapshot = take_snapshot(store.entries())
    return {"folder": store.folder, "trust": 0, "digest": snapshot.digest}, snapshot


def test_contributions_become_two_splits_without_common_contributors(tmp_path, tiny_mnist, feedback):
    told, snapshot = take(feedback)

    examples = generate(tiny_mnist, tmp_path / "out", feedback=told)

    assert json.loads(examples.split_names) == ["train", "eval", "test", "users_train", "users"]
    for split, chosen in snapshot.splits().items():
        images, labels = read(examples, split)
        np.testing.assert_array_equal(images, np.stack([one.image for one in chosen]))
        assert labels.tolist() == [-1 if one.digit is None else one.digit for one in chosen]
    assert set(read(examples, "users")[1]) == {3, 7}
    facts = json.loads(examples.get_string_custom_property("feedback"))
    assert facts == {
        "digest": snapshot.digest,
        "users_train": len(snapshot.splits()["users_train"]),
        "users": len(snapshot.splits()["users"]),
        "contributors": 8,
    }
    members = json.loads((tmp_path / "out" / "snapshot.json").read_text())
    assert members["contributors"] == sorted({f"person {number}" for number in range(8)})
    sides = [{one.contributor for one in chosen} for chosen in snapshot.splits().values()]
    assert all(sides)
    assert not sides[0] & sides[1]


def test_forgotten_contributors_are_in_no_split(tmp_path, tiny_mnist, feedback):
    feedback.forget(["person 1"])
    told, _ = take(feedback)

    examples = generate(tiny_mnist, tmp_path / "out", feedback=told)

    assert "person 1" not in json.loads((tmp_path / "out" / "snapshot.json").read_text())["contributors"]
    assert json.loads(examples.get_string_custom_property("feedback"))["contributors"] == 7


def test_a_run_can_take_what_is_accepted_when_it_starts(tmp_path, tiny_mnist, feedback):
    told, snapshot = take(feedback)

    examples = generate(tiny_mnist, tmp_path / "out", feedback={**told, "digest": ""})

    assert json.loads(examples.get_string_custom_property("feedback"))["digest"] == snapshot.digest
    feedback.forget(sorted({one.contributor for one in snapshot.splits()["users"]}))
    with pytest.raises(FeedbackError, match="nothing accepted for the split users yet"):
        generate(tiny_mnist, tmp_path / "again", feedback={**told, "digest": ""})


def test_a_folder_that_changed_during_the_run_is_refused(tmp_path, tiny_mnist, feedback):
    told, _ = take(feedback)
    feedback.forget(["person 1"])

    with pytest.raises(FeedbackError, match="has changed since this run started"):
        generate(tiny_mnist, tmp_path / "out", feedback=told)
