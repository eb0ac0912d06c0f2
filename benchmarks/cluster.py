"""Training on two machines (two processes on loopback, each with half of every batch) compared with one process.

python -m benchmarks.cluster --epochs 1 --seeds 3
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def compare(
    epochs: int = 1,
    seeds: int = 3,
    model: str = "my_model",
    folder: Annotated[str | None, typer.Option(hidden=True, help="Set for the processes that train.")] = None,
    seed: Annotated[int, typer.Option(hidden=True)] = 1,
) -> None:
    """Test accuracy and seconds of the same training in one process and in two."""
    if folder:
        _train(Path(folder), model, epochs, seed)
        return
    table = Table("seed", "one process", "two processes")
    for number in range(1, seeds + 1):
        cells = []
        for processes in (1, 2):
            with tempfile.TemporaryDirectory() as work:
                start = time.monotonic()
                _start(processes, work, ["--epochs", str(epochs), "--model", model, "--seed", str(number)])
                accuracy = json.loads((Path(work) / "result.json").read_text())["accuracy"]
                cells.append(f"{accuracy:.2%}, {time.monotonic() - start:.0f} s")
        table.add_row(str(number), *cells)
    Console().print(table)


def _start(processes: int, folder: str, options: list[str]) -> None:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(processes)]
    addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
    for server in servers:
        server.close()
    running = []
    for index in range(processes):
        cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        command = [sys.executable, "-m", "benchmarks.cluster", "--folder", folder, *options]
        running.append(subprocess.Popen(command, env={**os.environ, "TF_CONFIG": json.dumps(cluster)}))
    if any(process.wait() for process in running):
        raise SystemExit("a process failed")


def _train(folder: Path, model: str, epochs: int, seed: int) -> None:
    from models.training.distribution import join_devices  # noqa: PLC0415 (loads TensorFlow: only the processes that train do)

    distribution = join_devices()
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    from components.mnist_example_gen.executor import find_parts, read_batches  # noqa: PLC0415
    from models.preprocessing import preprocess_images  # noqa: PLC0415
    from models.recipe import Training  # noqa: PLC0415
    from models.training.input_pipeline import Split  # noqa: PLC0415
    from models.training.run_fn import train_model  # noqa: PLC0415
    from pipeline.data import mnist  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as data:
        mnist.fetch(Path(data), "bundled", Console(quiet=True))
        splits = {}
        for name, part in find_parts(data, 2000).items():
            images, labels = (np.concatenate(arrays) for arrays in zip(*read_batches(part), strict=True))
            splits[name] = Split(preprocess_images(images[..., np.newaxis]), tf.constant(labels, tf.int64))
    training = Training.choose(model, {"epochs": epochs, "seed": seed})
    trained, _ = train_model(
        training,
        splits["train"],
        splits["eval"],
        str(folder / "checkpoint"),
        str(folder / "logs"),
        distribution=distribution,
    )
    distribution.wait_for_all()
    if distribution.is_chief:
        test = splits["test"]
        answers = trained.predict(test.images, batch_size=500, verbose=0).argmax(axis=1)
        accuracy = float((answers == test.labels.numpy()).mean())
        (folder / "result.json").write_text(json.dumps({"accuracy": accuracy}))


if __name__ == "__main__":
    app()
