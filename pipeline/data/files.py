"""The four MNIST files: names, sizes, checksums and mirrors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers import UserError

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"


@dataclass(frozen=True)
class RemoteFile:
    """The expected file of a mirror: its size in bytes and the hexadecimal SHA-256 of the .gz."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Mirrors:
    """Servers that hold the four files."""

    addresses: Sequence[str]  # base addresses, each ending in a slash
    files: Mapping[str, RemoteFile]  # the files that each mirror must hold, by name
    patience: float | None = None  # seconds to wait for an answer; None for 4 s with "auto" and 30 s with "mirror"


MNIST = Mirrors(
    addresses=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    files={
        TRAIN_IMAGES: RemoteFile(9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        TRAIN_LABELS: RemoteFile(28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        TEST_IMAGES: RemoteFile(1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        TEST_LABELS: RemoteFile(4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    },
)
"""The four files as their authors published them."""


class DataError(UserError):
    """The data set is not available."""
