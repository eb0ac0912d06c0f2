"""The pipeline's figures: accuracy over seeds, training speed, and the cost of everything around training.

    python -m benchmarks.pipeline accuracy    # MyModel 3 and 10 epochs, LeNet 10 epochs, three seeds each
    python -m benchmarks.pipeline speed       # training in the pipeline and bare model.fit, alternating
    python -m benchmarks.pipeline bare        # `digits run` and a plain Keras script, alternating
    python -m benchmarks.pipeline cost        # a first run and the same command again: time and memory

Ratios are taken within one run, because timings are noisy. Everything is made in a temporary folder.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console()

TARGETS = {("lenet", 10): 0.98, ("my_model", 3): 0.992, ("my_model", 10): 0.994}


@app.command()
def accuracy(seeds: int = 3, root: Path | None = None, models: str = ",".join(f"{m}:{e}" for m, e in TARGETS)) -> None:
    """Test accuracy of each MODEL:EPOCHS with seeds 1, 2, ...; --root keeps the trainings."""
    table = Table("model", "epochs", "seeds", "median", "least", "all", "demanded")
    with tempfile.TemporaryDirectory() as temporary:
        folder = root or Path(temporary)
        for entry in models.split(","):
            model, epochs = entry.split(":")
            found = []
            for seed in range(1, seeds + 1):
                card = _run(folder, model, int(epochs), seed)["card"]
                found.append(card["metrics"]["test_accuracy"])
                console.print(f"{model}, {epochs} epochs, seed {seed}: {found[-1]:.2%}", highlight=False)
            demanded = TARGETS.get((model, int(epochs)))
            table.add_row(
                model,
                epochs,
                str(seeds),
                f"{statistics.median(found):.2%}",
                f"{min(found):.2%}",
                ", ".join(f"{value:.2%}" for value in found),
                f"{demanded:.1%}" if demanded else "",
            )
    console.print(table)


@app.command()
def cost(repeats: int = 1) -> None:
    """Everything but training ÷ one MyModel epoch; the same command again ÷ the first; peak memory."""
    table = Table("run", "first run", "training", "epoch", "the rest ÷ epoch", "again ÷ first", "peak memory")
    for repeat in range(1, repeats + 1):
        with tempfile.TemporaryDirectory() as temporary:
            first = _run(Path(temporary), "my_model", 3, seed=1)
            again = _run(Path(temporary), "my_model", 3, seed=1)
        epoch = first["card"]["training_seconds"] / 3
        rest = first["seconds"] - first["card"]["training_seconds"]
        table.add_row(
            str(repeat),
            f"{first['seconds']:.0f} s",
            f"{first['card']['training_seconds']:.0f} s",
            f"{epoch:.1f} s",
            f"{rest / epoch:.2f}",
            f"{again['seconds'] / first['seconds']:.3f}",
            f"{first['peak'] / 2**30:.2f} GiB",
        )
        console.print(first["output"].rsplit("Time", 1)[-1], highlight=False)
    console.print(table)


@app.command()
def bare(rounds: int = 3, until: float = 0.9925) -> None:
    """`digits run` ÷ benchmarks/keras_script.py: 3 epochs of MyModel each, and the time to a test accuracy."""
    table = Table("round", "what", "script", "digits run", "ratio")
    ratios: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary, "data")
        fetch = [sys.executable, "-m", "pipeline.cli", "data", "--dest", str(data)]
        subprocess.run(fetch, check=True, stdout=subprocess.DEVNULL)
        for number in range(1, rounds + 1):
            script = _script(data, number)
            ours = _fresh_run(data, 3, number)
            reached = _script(data, number, until)
            epochs = 1
            while (first := _fresh_run(data, epochs, number))["accuracy"] < until:
                epochs += 1  # each in an empty folder: the waiting time of a user who knows the number of epochs
            for what, one, other in (("3 epochs", script, ours), (f"to {until:.2%}", reached, first)):
                ratios.setdefault(what, []).append(other["seconds"] / one["seconds"])
                shown = [f"{r['seconds']:.0f} s, {r['epochs']} epochs, {r['accuracy']:.2%}" for r in (one, other)]
                table.add_row(str(number), what, *shown, f"{ratios[what][-1]:.2f}")
    console.print(table)
    for what, found in ratios.items():
        console.print(f"{what}: median ratio {statistics.median(found):.2f} of {rounds} rounds")


def _script(data: Path, seed: int, until: float | None = None) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.keras_script", str(data), folder, f"--seed={seed}"]
        start = time.monotonic()
        done = subprocess.run(
            [*command, *([f"--until={until}"] if until else [])],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        return {**json.loads(done.stdout.splitlines()[-1]), "seconds": time.monotonic() - start}


def _fresh_run(data: Path, epochs: int, seed: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        run = _run(Path(folder), "my_model", epochs, seed, f"--data={data}")
    return {"accuracy": run["card"]["metrics"]["test_accuracy"], "epochs": epochs, "seconds": run["seconds"]}


@app.command()
def speed(rounds: int = 3, model: str = "my_model") -> None:
    """Images/s of training in the pipeline, with augmentation, ÷ those of bare `model.fit` on arrays without it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras  # noqa: PLC0415 (loads TensorFlow: only this command does)

    from models.recipe import Training  # noqa: PLC0415
    from models.registry import ARCHITECTURES  # noqa: PLC0415
    from models.training.run_fn import train_model  # noqa: PLC0415

    train = _random_split(20_000)
    held_out = _random_split(500)
    training = Training.choose(model, {"epochs": 3})
    recipe = training.recipe
    bare = ARCHITECTURES[model].build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    bare.compile(optimizer="adam", loss=loss, metrics=["accuracy"], jit_compile=False)
    arrays = train.images.numpy(), train.labels.numpy()
    bare.fit(*arrays, batch_size=recipe.batch_size, verbose=0)  # traced, warm
    ratios = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            _, facts = train_model(training, train, held_out, f"{folder}/checkpoint", f"{folder}/logs")
        start = time.perf_counter()
        bare.fit(*arrays, batch_size=recipe.batch_size, verbose=0)
        bare_speed = train.size / (time.perf_counter() - start)
        ratios.append(facts["images_per_second"] / bare_speed)
        console.print(
            f"pipeline {facts['images_per_second']:.0f} images/s, model.fit {bare_speed:.0f}, ratio {ratios[-1]:.2f}"
        )
    console.print(f"{model}: median ratio {statistics.median(ratios):.2f} of {rounds} rounds")


def _random_split(size: int):  # type: ignore[no-untyped-def]
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    from models.training.input_pipeline import Split  # noqa: PLC0415

    rng = np.random.default_rng(0)
    return Split(tf.constant(rng.random((size, 32, 32, 1), np.float32)), tf.constant(rng.integers(0, 10, size)))


def _run(folder: Path, model: str, epochs: int, seed: int, *options: str) -> dict[str, Any]:
    """Calls `digits run` without thresholds; returns card, output, elapsed seconds and peak memory of all processes."""
    command = [sys.executable, "-m", "pipeline.cli", "run", f"--model={model}", f"--epochs={epochs}", f"--seed={seed}"]
    command += ["--baseline=none", "--min-accuracy=0", "--min-digit-accuracy=0"]
    command += [f"--root={folder / 'runs'}", f"--push-dir={folder / 'serving_model'}", *options]
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        peak = _Peak(running.pid)
        output = running.stdout.read() if running.stdout else ""
    seconds = time.monotonic() - start
    if running.returncode != 0:
        raise SystemExit(f"digits run ended with {running.returncode}:\n{output}")
    version = output.split("version ", 1)[1].split(",", 1)[0]
    card = json.loads((folder / "serving_model" / version / "assets.extra" / "card.json").read_text())
    return {"card": card, "output": output, "seconds": seconds, "peak": peak.stop()}


class _Peak:
    """Samples the proportional set size (memory, shared pages counted once) of a process and its descendants."""

    def __init__(self, pid: int):
        self._process, self._most, self._running = psutil.Process(pid), 0, True
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while self._running:
            total = 0
            try:
                for process in [self._process, *self._process.children(recursive=True)]:
                    total += process.memory_full_info().pss
            except psutil.Error:  # a process ended in between
                pass
            self._most = max(self._most, total)
            time.sleep(0.25)

    def stop(self) -> int:
        """Ends sampling; returns the peak in bytes."""
        self._running = False
        self._thread.join()
        return self._most


if __name__ == "__main__":
    app()
