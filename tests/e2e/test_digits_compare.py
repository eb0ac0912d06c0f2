"""`digits compare`, killed and restarted, with a small worker instead of the pipeline's."""

import json
import subprocess
import sys

import numpy as np
import pytest

NAMES = ["lenet-1", "lenet-3", "my_model-1", "my_model-3"]
WORKER = """
# Trains an epoch in no time and remembers it, as TFX's cache and the Trainer's checkpoints do: by all it was told.
import hashlib

from factories import make_run

folder = Path(FOLDER)
if target == "workers.child:answer":
    _, (root, run_ids, output, photos, command), _ = connection.recv()
    output.mkdir(parents=True)
    (output / "report.json").write_text(json.dumps({"conclusions": run_ids, "models": []}))
    connection.send(output / "report.html")
    return
config = connection.recv()
tell = lambda event, **more: connection.send({"event": event, **more})
training = config.training
name = f"{training.model}-{training.epochs}"
finished = folder / hashlib.sha256(repr(config).encode()).hexdigest()
finished.touch()
tell("plan", components=["Trainer"])
tell("start", component="Trainer")
for epoch in range(len(finished.read_text().split()) + 1, training.epochs + 1):
    if (folder / "hang in").exists() and (folder / "hang in").read_text() == f"{name} {epoch}":
        (folder / "hang in").unlink()
        signal.pause()
    with finished.open("a") as file, (folder / "epochs").open("a") as all_epochs:
        file.write(f"{epoch}\\n")
        all_epochs.write(f"{name} {epoch}\\n")
    figures = {"loss": 1.0, "accuracy": 0.9, "val_loss": 1.0, "val_accuracy": 0.9}
    tell("progress", epoch=epoch, epochs=training.epochs, step=1, steps=1, **figures)
tell("end", component="Trainer", state="done")
tell("summary", run=make_run(name, seconds={"Trainer": 1.0}))
"""

PROGRAM = """
import sys
from pathlib import Path

import pytest

sys.path.insert(0, TESTS)
from pipeline.cli import main
from worker_stand_in import replace_workers

replace_workers(pytest.MonkeyPatch(), Path(FOLDER), WORKER)
main()
"""


@pytest.fixture
def command(request, tmp_path, write_mnist):
    """The command line of a comparison of four models, 1 and 3 epochs each."""
    worker = WORKER.replace("FOLDER", repr(str(tmp_path)))
    values = {"TESTS": str(request.config.rootpath / "tests"), "FOLDER": str(tmp_path), "WORKER": worker}
    program = PROGRAM
    for name, value in values.items():
        program = program.replace(name, repr(value))
    blank = np.zeros((10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8)
    options = {
        "epochs": "1,3",
        "root": tmp_path / "runs",
        "data": write_mnist(tmp_path / "data", blank, blank),
        "output": tmp_path / "report",
    }
    return [sys.executable, "-c", program, "compare", *(f"--{name}={value}" for name, value in options.items())]


def test_after_a_kill_in_a_training_it_resumes_and_repeats_nothing(request, command, tmp_path):
    options = {"cwd": request.config.rootpath, "stdout": subprocess.PIPE, "text": True}
    (tmp_path / "hang in").write_text("lenet-3 3")
    with subprocess.Popen(command, **options) as running:
        next(line for line in running.stdout if line.startswith("Trainer: epoch 2/3"))
        running.kill()
    done = subprocess.run(command, check=False, timeout=60, **options)

    assert done.returncode == 0, done.stdout
    epochs = (tmp_path / "epochs").read_text().splitlines()
    assert epochs == [f"{name} {epoch}" for name in NAMES for epoch in range(1, int(name[-1]) + 1)]
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["conclusions"] == NAMES, "what was finished before the kill is reported on"
    resumed = done.stdout[done.stdout.index("[2/4] LeNet, 3 epochs") : done.stdout.index("[3/4]")]
    assert "epoch 3/3" in resumed
    assert "epoch 2/3" not in resumed, "it goes on inside the training"
