"""A real cluster: two processes on loopback that train one network."""

import json
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from models.training.checkpoint import epochs_done
from models.training.distribution import ClusterError, computes_bfloat16, join_devices

PROGRAM = """
    import os, sys
    import numpy as np
    from models.training.distribution import join_devices

    folder, dies_in_epoch = sys.argv[1], int(sys.argv[2])
    distribution = join_devices()
    import tensorflow as tf
    from models.training import progress, run_fn
    from models.training.input_pipeline import Split
    from models.recipe import Training

    if not distribution.is_chief:
        def begin(self, epoch, logs=None):
            if epoch == dies_in_epoch:
                os._exit(9)
        progress.Progress.on_epoch_begin = begin
        progress.Progress.on_train_batch_end = lambda *_, **__: None
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 512)
    images = rng.random((512, 32, 32, 1), np.float32) * 0.2
    images[np.arange(512), 3 * labels] += 0.8
    split = Split(tf.constant(images), tf.constant(labels))
    settings = {"epochs": 4, "augment": False, "outliers": 8, "drawn_digits": 8, "mixed_precision": False}
    training = Training.choose("my_model", settings, "")
    model, facts = run_fn.train_model(
        training, split, split, folder + "/checkpoint", folder + "/logs", distribution=distribution
    )
    distribution.wait_for_all()
    weights = np.concatenate([weight.ravel() for weight in model.get_weights()])
    name = "chief" if distribution.is_chief else "other"
    np.savez(f"{folder}/{name}.npz", weights=weights, accuracy=facts["metrics"]["eval_accuracy"])
"""


def free_ports(number):
    with_sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [server.getsockname()[1] for server in with_sockets]
    for server in with_sockets:
        server.close()
    return ports


def train_in_processes(folder, monkeypatch, number, dies_in_epoch=-1):
    """Runs PROGRAM as a cluster of the given number of processes; returns their exit codes."""
    folder.mkdir(exist_ok=True)
    workers = [f"127.0.0.1:{port}" for port in free_ports(number)]
    processes = []
    for index in range(number):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(task))
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(folder), str(dies_in_epoch)]
        with (folder / f"{index}.log").open("ab") as log:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
    try:
        return [process.wait(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()


def result(folder, name="chief"):
    with np.load(folder / f"{name}.npz") as found:
        return found["weights"], float(found["accuracy"])


def test_two_machines_train_like_one_and_resume_after_a_loss(tmp_path, monkeypatch):
    lost = train_in_processes(tmp_path / "cluster", monkeypatch, 2, dies_in_epoch=2)
    assert lost[1] == 9
    assert lost[0] != 0, "the chief cannot go on alone"
    assert epochs_done(str(tmp_path / "cluster" / "checkpoint")) == 2
    assert train_in_processes(tmp_path / "cluster", monkeypatch, 2) == [0, 0]
    assert train_in_processes(tmp_path / "one", monkeypatch, 1) == [0]

    weights, accuracy = result(tmp_path / "cluster")
    np.testing.assert_array_equal(weights, result(tmp_path / "cluster", "other")[0])
    alone, accuracy_alone = result(tmp_path / "one")
    assert min(accuracy, accuracy_alone) > 0.95
    assert np.abs(alone - weights).max() < 0.05


def test_a_cluster_of_one_is_this_machine(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}))
    distribution = join_devices(["CPU:0"])

    assert distribution.share is None
    assert distribution.is_chief
    assert distribution.devices == ["CPU:0"]


def test_a_process_that_already_used_tensorflow_gets_the_next_step(monkeypatch):
    tf.constant(1) + 1
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))
    with pytest.raises(ClusterError, match="unset TF_CONFIG"):
        join_devices()


@pytest.mark.parametrize(
    ("flags", "fast"), [("fpu avx512f avx512_bf16", True), ("fpu amx_bf16 amx_tile", True), ("fpu avx2", False)]
)
def test_bfloat16_support_is_detected(tmp_path, flags, fast):
    (tmp_path / "cpuinfo").write_text(f"model name\t: Some CPU\nflags\t\t: {flags}\n")

    assert computes_bfloat16(tmp_path / "cpuinfo") == fast
    assert not computes_bfloat16(tmp_path / "no such file")
