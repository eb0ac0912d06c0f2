"""Data that tests share: real MNIST images, few of them."""

import gzip
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

from components.mnist_example_gen.idx import IMAGES_MAGIC, LABELS_MAGIC, IdxReader
from pipeline import mnist

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]


def write_idx(path: Path, array: npt.NDArray[np.uint8]) -> None:
    """Writes uint8 [N] labels or [N, rows, columns] images as an IDX file, gzipped if the name ends in .gz."""
    header = struct.pack(f">{1 + array.ndim}I", 2048 + array.ndim, *array.shape)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.write(header + array.tobytes())


def write_mnist(folder: Path, train: tuple[Images, Labels], test: tuple[Images, Labels], suffix: str = "") -> Path:
    """Writes the four canonical files."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, (images, labels) in {"train": train, "t10k": test}.items():
        write_idx(folder / f"{prefix}-images-idx3-ubyte{suffix}", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte{suffix}", labels)
    return folder


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
    """A data folder of 1,200 training and 300 test images. Tests do not write to it."""
    return write_mnist(tmp_path_factory.mktemp("tiny"), some_training_images, some_test_images, ".gz")


def _first(folder: Path, prefix: str, number: int) -> tuple[Images, Labels]:
    with (folder / f"{prefix}-images-idx3-ubyte.gz").open("rb") as file:
        images = next(IdxReader(file, file.name, IMAGES_MAGIC).batches(number))
    with (folder / f"{prefix}-labels-idx1-ubyte.gz").open("rb") as file:
        labels = next(IdxReader(file, file.name, LABELS_MAGIC).batches(number))
    return images, labels
