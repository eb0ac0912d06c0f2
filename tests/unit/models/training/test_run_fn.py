import pkgutil
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from factories import make_training

from models.preprocessing import preprocess_images
from models.registry import ARCHITECTURES
from models.training.checkpoint import epochs_done
from models.training.input_pipeline import Split
from models.training.progress import DivergedError
from models.training.run_fn import train_model

SETTINGS = {"epochs": 2, "batch_size": 64, "augment": True, "outliers": 8, "drawn_digits": 8, "weight_decay": 0.1}


@pytest.fixture(scope="module")
def splits(some_training_images):
    images, labels = some_training_images

    def split(part):
        return Split(preprocess_images(images[part, :, :, None]), tf.constant(labels[part], tf.int64))

    return split(slice(0, 1000)), split(slice(1000, 1200))


def train(splits, folder, model="lenet", **changes):
    training = make_training(model, **{**SETTINGS, **changes})
    trained, facts = train_model(training, *splits, str(folder / "checkpoint"), str(folder / "logs"))
    return trained.get_weights(), facts


@pytest.fixture(scope="module")
def whole(splits, tmp_path_factory):
    """The weights after three epochs that nothing interrupted."""
    return train(splits, tmp_path_factory.mktemp("whole"), epochs=3)[0]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(whole, splits, tmp_path):
    again, _ = train(splits, tmp_path / "again", epochs=3)
    other, _ = train(splits, tmp_path / "other", epochs=3, seed=8)
    for one, two, three in zip(whole, again, other, strict=True):
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, three) or not one.any()


def test_an_interrupted_training_ends_like_an_uninterrupted_one(whole, splits, tmp_path, monkeypatch):
    class InterruptionError(Exception):
        pass

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise InterruptionError

    with monkeypatch.context() as patch:
        patch.setattr("models.training.progress.Progress.on_epoch_begin", interrupt)
        with pytest.raises(InterruptionError):
            train(splits, tmp_path / "cut", epochs=3)
    resumed, _ = train(splits, tmp_path / "cut", epochs=3)
    for one, two in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("call", ["compat.tfx.io_utils.copy_file", "tfx.dsl.io.fileio.rename"])
def test_a_kill_during_a_state_write_loses_only_the_last_epoch(whole, splits, tmp_path, monkeypatch, call):
    function, calls = pkgutil.resolve_name(call), []

    def killed(source, destination, *arguments, **options):
        calls.append(source)
        if len(calls) == 2:
            Path(destination).write_bytes(b"\x89HDF half a file") if "copy" in call else None
            raise KeyboardInterrupt
        return function(source, destination, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(call, killed)
        with pytest.raises(KeyboardInterrupt):
            train(splits, tmp_path / "cut", epochs=3)
    assert epochs_done(str(tmp_path / "cut" / "checkpoint")) == 1
    resumed, _ = train(splits, tmp_path / "cut", epochs=3)

    for one, two in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, two)


def test_weights_without_gradients_decay(splits, tmp_path):
    train_split, evaluation = splits
    black = Split(tf.zeros_like(train_split.images), train_split.labels), evaluation
    keras.utils.set_random_seed(make_training().seed)
    before = ARCHITECTURES["lenet"].build().get_weights()[0]
    after, _ = train(black, tmp_path, augment=False, outliers=0, drawn_digits=0)  # the first kernels see only black
    kept = after[0] / before
    np.testing.assert_allclose(kept, kept.mean(), rtol=1e-4)
    assert 0.98 < kept.mean() < 0.9999


def test_a_resumed_training_reports_the_seconds_of_all_processes(splits, tmp_path, monkeypatch):
    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("models.training.progress.Progress.on_epoch_begin", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(splits, tmp_path)
    seconds = tmp_path / "checkpoint" / "1.json"
    assert float(seconds.read_text()) > 0
    seconds.write_text("1000")

    _, facts = train(splits, tmp_path)

    assert 1000 < facts["training_seconds"] < 1100


def test_a_nan_loss_ends_the_training_with_advice(splits, tmp_path):
    with pytest.raises(DivergedError) as raised:
        train(splits, tmp_path, learning_rate=1e9)

    assert re.fullmatch(
        r"the loss became (nan|inf) in epoch 1, step \d+: the training diverged at a learning rate of up to 1e\+09. "
        "Try a smaller --learning-rate, such as a tenth.",
        str(raised.value),
    )


def test_learns_and_reports(splits, tmp_path):
    _, facts = train(splits, tmp_path, model="my_model", epochs=4)
    assert facts["metrics"]["eval_accuracy"] > 0.7
    assert 0.25 <= facts["temperature"] <= 4
    assert facts["devices"] == ["CPU"]
    assert list((tmp_path / "logs").rglob("events.out.tfevents.*"))


def test_two_devices_train_like_one():
    """Two logical devices in a separate process: devices can be split only before TensorFlow starts."""
    program = """
        import tempfile
        import numpy as np, tensorflow as tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        from models.training.input_pipeline import Split
        from models.recipe import Training
        from models.training.run_fn import train_model

        rng = np.random.default_rng(0)
        labels = rng.integers(0, 10, 512)
        images = rng.random((512, 32, 32, 1), np.float32) * 0.2
        images[np.arange(512), 3 * labels] += 0.8
        split = Split(tf.constant(images), tf.constant(labels))
        settings = {"epochs": 4, "augment": False, "outliers": 8, "drawn_digits": 8, "mixed_precision": False}
        training = Training.choose("my_model", settings, "")
        weights = []
        for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
            with tempfile.TemporaryDirectory() as folder:
                model, facts = train_model(training, split, split, folder + "/c", folder + "/l", devices)
            assert facts["devices"] == devices
            assert facts["metrics"]["eval_accuracy"] > 0.95, facts
            weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
        print("difference", np.abs(weights[0] - weights[1]).max())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split("difference")[1]) < 0.05


def test_mixed_precision_with_xla_learns_as_well(splits, tmp_path):
    plain, facts = train(splits, tmp_path / "plain", epochs=4, augment=False, mixed_precision=False)
    weights, quick = train(splits, tmp_path / "quick", epochs=4, augment=False, xla=True, mixed_precision=True)

    assert [weight.dtype for weight in weights] == [weight.dtype for weight in plain] == [np.float32] * len(plain)
    assert any(not np.array_equal(one, other) for one, other in zip(plain, weights, strict=True))
    assert abs(quick["metrics"]["eval_accuracy"] - facts["metrics"]["eval_accuracy"]) < 0.1


def test_users_digits_are_learned_beside_mnist(splits, some_training_images, tmp_path):
    """Horizontal strokes are classified as 1 if users' labels say so."""
    images, labels = some_training_images
    ones = np.rot90(images[labels == 1], axes=(1, 2)).copy()
    network = preprocess_images(ones[..., None])
    half = len(ones) // 2
    users = Split(network[:half], tf.ones(half, tf.int64))

    def accuracy(users):
        training = make_training("my_model", epochs=4, outliers=0, drawn_digits=0)
        folder = tmp_path / str(users is None)
        model, facts = train_model(training, *splits, str(folder / "state"), str(folder / "logs"), users=users)
        return (model.predict(network[half:], verbose=0).argmax(1) == 1).mean(), facts["metrics"]["eval_accuracy"]

    (without, accuracy_without), (with_users, accuracy_with) = accuracy(None), accuracy(users)
    assert without < 0.3
    assert with_users > 0.9
    assert accuracy_with > accuracy_without - 0.05
