"""Growth: time and memory of the pipeline on MNIST ×1, ×10 and ×40 (up to 2.6 million images), one epoch.

    python -m benchmarks.scale run                         # ×1 and ×10, five to ten minutes on two CPUs
    python -m benchmarks.scale run --factors 1,10,40       # half an hour
    python -m benchmarks.scale workers                     # Beam in one process and in several

Copies after the first are MNIST's digits varied as in training (models/synthesis/augmentation.py), each with another
seed. Memory is the proportional set size of all processes while a component runs, sampled four times a second.
Processor time is that of the same processes; it depends less on other work on the machine than elapsed time.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from pathlib import Path

import psutil
import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console()

COMPONENTS = ("MnistExampleGen", "StatisticsGen", "Transform", "Trainer", "Evaluator")
_CHUNK = 5000


@dataclass(frozen=True)
class Measured:
    """Seconds, processor seconds and peak memory in bytes of each component of a run."""

    seconds: dict[str, float]
    processor: dict[str, float]
    peak: dict[str, int]


@app.command()
def run(
    factors: str = "1,10",
    model: str = "my_model",
    train_memory: int = 256,
    work: Path | None = None,
    keep: bool = False,
) -> None:
    """Time and peak memory of each component at each factor."""
    results = {}
    with tempfile.TemporaryDirectory() as temporary:
        for factor in [int(text) for text in factors.split(",")]:
            folder = (work or Path(temporary)) / f"x{factor}"
            draw(folder / "data", factor)
            results[factor] = measure(folder, [f"--model={model}", f"--train-memory={train_memory}"])
            show(results)
            if not keep:
                shutil.rmtree(folder)


@app.command()
def workers(factors: str = "1,10", processes: int = 2, work: Path | None = None) -> None:
    """Seconds of Beam's components in one process and in several."""
    table = Table("images", "component", "1 process", f"{processes} processes", "ratio")
    with tempfile.TemporaryDirectory() as temporary:
        for factor in [int(text) for text in factors.split(",")]:
            folder = (work or Path(temporary)) / f"x{factor}"
            draw(folder / "data", factor)
            options = ["--model=lenet", "--train-memory=256"]
            alone = measure(folder, options).seconds
            together = measure(folder, [*options, f"--beam-workers={processes}"]).seconds
            for name in COMPONENTS:
                if name != "Trainer":
                    ratio = f"{together[name] / alone[name]:.2f}"
                    table.add_row(
                        f"{factor * 65_000:,}", name, f"{alone[name]:.0f} s", f"{together[name]:.0f} s", ratio
                    )
            shutil.rmtree(folder)
    console.print(table)


def draw(folder: Path, factor: int) -> None:
    """Makes a data folder of `factor` times MNIST, uncompressed, in chunks; does nothing if it exists."""
    if (folder / "done").exists():
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import numpy as np  # noqa: PLC0415 (loads TensorFlow: not for --help)
    import tensorflow as tf  # noqa: PLC0415

    from components.mnist_example_gen.executor import find_parts, read_batches  # noqa: PLC0415
    from models.synthesis.augmentation import augment  # noqa: PLC0415
    from pipeline.data import mnist  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as original:
        mnist.fetch(Path(original), "auto", console)
        parts = find_parts(original, 1)
        sources = {"train": [parts["train"], parts["eval"]], "t10k": [parts["test"]]}
        folder.mkdir(parents=True, exist_ok=True)
        for prefix, ranges in sources.items():
            count = factor * sum(part.stop - part.start for part in ranges)
            with (
                (folder / f"{prefix}-images-idx3-ubyte").open("wb") as images_file,
                (folder / f"{prefix}-labels-idx1-ubyte").open("wb") as labels_file,
            ):
                images_file.write(struct.pack(">4I", 2051, count, 28, 28))
                labels_file.write(struct.pack(">2I", 2049, count))
                for copy in range(factor):
                    for number, (images, labels) in enumerate(batch for part in ranges for batch in read_batches(part)):
                        drawn = images
                        if copy:
                            scaled = tf.constant(images[..., np.newaxis], tf.float32) / 255.0
                            varied = augment(scaled, tf.constant([copy, number], tf.int64))
                            drawn = np.rint(varied.numpy()[..., 0] * 255).astype(np.uint8)
                        images_file.write(drawn.tobytes())
                        labels_file.write(labels.tobytes())
    (folder / "done").touch()


def measure(folder: Path, options: list[str]) -> Measured:
    """Calls `digits run` with one epoch in a fresh root and reads the components' times from ML Metadata."""
    root = folder / "runs"
    shutil.rmtree(root, ignore_errors=True)
    command = [sys.executable, "-m", "pipeline.cli", "run", "--epochs=1", "--baseline=none", "--min-accuracy=0"]
    command += ["--min-digit-accuracy=0", f"--data={folder / 'data'}", f"--root={root}"]
    command += [f"--push-dir={folder / 'pushed'}", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        memory = Memory(running.pid)
        output = running.stdout.read() if running.stdout else ""
    memory.stop()
    if running.returncode != 0:
        raise SystemExit(f"digits run ended with {running.returncode}:\n{output}")
    seconds, processor, peak = {}, {}, {}
    times = [sample[0] for sample in memory.samples]
    for name, (start, end) in spans(root / "metadata.sqlite").items():
        # Including the samples on either side, in which other components run as well.
        around = memory.samples[max(bisect_right(times, start) - 1, 0) : bisect_left(times, end) + 1]
        seconds[name] = end - start
        processor[name] = around[-1][2] - around[0][2]
        # A component may end before it is sampled.
        peak[name] = max(sample[1] for sample in around[1:-1] or around)
    return Measured(seconds, processor, peak)


def spans(metadata: Path) -> dict[str, tuple[float, float]]:
    """Start and end of each component of the only run in the database, in seconds since 1970."""
    from ml_metadata.metadata_store import MetadataStore  # noqa: PLC0415 (loads TFX: not for --help)
    from tfx.orchestration.metadata import sqlite_metadata_connection_config  # noqa: PLC0415

    store = MetadataStore(sqlite_metadata_connection_config(str(metadata)))
    found = {}
    for execution in store.get_executions():
        names = [context.name for context in store.get_contexts_by_execution(execution.id) if context.type == "node"]
        name = names[0].rpartition(".")[2]
        if name in COMPONENTS:
            found[name] = (execution.create_time_since_epoch / 1000, execution.last_update_time_since_epoch / 1000)
    return found


def show(results: dict[int, Measured]) -> None:
    """Prints a row for each component: seconds, processor seconds and peak memory at each factor, and their growth."""
    factors = list(results)
    headings = [f"×{factor}: {factor * 65_000:,} images" for factor in factors]
    table = Table("component", *headings, "time", "processor", title="growth is last ÷ first; 1.00 is linear")
    growth = factors[-1] / factors[0]
    first, last = results[factors[0]], results[factors[-1]]
    for name in COMPONENTS:
        cells = [
            f"{found.seconds[name]:.0f} s, CPU {found.processor[name]:.0f} s, {found.peak[name] / 2**30:.2f} GiB"
            for found in results.values()
        ]
        pairs = ((last.seconds[name], first.seconds[name]), (last.processor[name], first.processor[name]))
        table.add_row(name, *cells, *(f"{after / before / growth:.2f}" if before else "-" for after, before in pairs))
    Console(width=150).print(table)


class Memory:
    """Samples the proportional set size of a process and its descendants.

    Attributes:
        samples: (seconds since 1970, bytes, processor seconds so far).
    """

    def __init__(self, pid: int):
        self.samples: list[tuple[float, int, float]] = []
        self._process, self._running = psutil.Process(pid), True
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while self._running:
            memory, processor = 0, 0.0
            try:
                for process in [self._process, *self._process.children(recursive=True)]:
                    memory += process.memory_full_info().pss
                    processor += sum(process.cpu_times()[:4])  # including ended children
                self.samples.append((time.time(), memory, processor))
            except psutil.Error:  # a process ended in between
                pass
            time.sleep(0.25)

    def stop(self) -> None:
        """Ends sampling."""
        self._running = False
        self._thread.join()


if __name__ == "__main__":
    app()
