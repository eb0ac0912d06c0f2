"""Shared data: a few real MNIST images."""

import gzip
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from factories import NO_DEMANDS
from ml_metadata.metadata_store import MetadataStore
from rich.console import Console
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.types import Artifact

from components.mnist_example_gen.idx import IMAGES_MAGIC, LABELS_MAGIC, IdxReader
from models.recipe import Training
from pipeline.config import PipelineConfig
from pipeline.data import mnist
from pipeline.data.bundled import write_idx
from pipeline.history.records import Run

# A shell ignores SIGINT in background jobs; programs started by the tests would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]


def _write_mnist(
    folder: Path, train: tuple[Images, Labels], test: tuple[Images, Labels], *, compressed: bool = True
) -> Path:
    """Writes the four canonical files."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, (images, labels) in {"train": train, "t10k": test}.items():
        for kind, array in {"images-idx3": images, "labels-idx1": labels}.items():
            packed = write_idx(folder / f"{prefix}-{kind}-ubyte.gz", array)
            if not compressed:
                packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
                packed.unlink()
    return folder


@pytest.fixture(scope="session")
def write_mnist() -> Callable[..., Path]:
    """The function that writes the four files; see `_write_mnist`."""
    return _write_mnist


@pytest.fixture(scope="session")
def mnist_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled images as four IDX files."""
    folder = tmp_path_factory.mktemp("mnist")
    mnist.fetch(folder, "bundled", Console(quiet=True))
    return folder


@pytest.fixture(scope="session")
def some_training_images(mnist_folder: Path) -> tuple[Images, Labels]:
    """The first 1,200 training images, uint8 [N, 28, 28], and their labels."""
    return _first(mnist_folder, "train", 1200)


@pytest.fixture(scope="session")
def some_test_images(mnist_folder: Path) -> tuple[Images, Labels]:
    """The first 300 test images and their labels."""
    return _first(mnist_folder, "t10k", 300)


@pytest.fixture(scope="session")
def tiny_mnist(
    tmp_path_factory: pytest.TempPathFactory,
    some_training_images: tuple[Images, Labels],
    some_test_images: tuple[Images, Labels],
) -> Path:
    """A data folder of 1,200 training and 300 test images. Tests must not write to it."""
    return _write_mnist(tmp_path_factory.mktemp("tiny"), some_training_images, some_test_images)


def _first(folder: Path, prefix: str, number: int) -> tuple[Images, Labels]:
    with (folder / f"{prefix}-images-idx3-ubyte.gz").open("rb") as file:
        images = next(IdxReader(file, file.name, IMAGES_MAGIC).batches(number))
    with (folder / f"{prefix}-labels-idx1-ubyte.gz").open("rb") as file:
        labels = next(IdxReader(file, file.name, LABELS_MAGIC).batches(number))
    return images, labels


@dataclass(frozen=True)
class TinyRun:
    """A finished run of the whole pipeline on a few images. Tests must not change its artifacts."""

    config: PipelineConfig
    run: Run
    report: str  # the path of its page

    def artifact(self, node: str, key: str, kind: type[Artifact]) -> Artifact:
        """A component's output artifact with its custom properties."""
        store = MetadataStore(sqlite_metadata_connection_config(self.config.metadata_path))
        folder = Path(self.config.root) / node / key
        own = [a for a in store.get_artifacts_by_type(kind.TYPE_NAME) if Path(a.uri).parent == folder]
        found = min(own, key=lambda a: a.id)  # (other tests may have run the pipeline in its root since)
        (kind_of,) = store.get_artifact_types_by_id([found.type_id])
        artifact = kind()
        artifact.set_mlmd_artifact(found)
        artifact.set_mlmd_artifact_type(kind_of)
        return artifact


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_mnist: Path) -> TinyRun:
    """MyModel, 2 epochs, pushed without thresholds."""
    from pipeline.local.execution import run  # noqa: PLC0415 (loads TensorFlow and TFX: only for tests that need them)

    folder = tmp_path_factory.mktemp("tiny_run")
    config = PipelineConfig(
        data=str(tiny_mnist),
        root=str(folder / "runs"),
        push_dir=str(folder / "serving_model"),
        training=Training.choose("my_model", {"epochs": 2}),
        thresholds=NO_DEMANDS,
        command="digits run --epochs 2 --max-drop 1",
    )
    return TinyRun(config, *run(config))
