"""The IDX format of the MNIST files (described on yann.lecun.com/exdb/mnist), read as a stream and checked."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

IMAGES_MAGIC = 2051
LABELS_MAGIC = 2049
_KINDS = {IMAGES_MAGIC: "images", LABELS_MAGIC: "labels"}


class IdxFormatError(ValueError):
    """A file is not the expected IDX file; the message names file and offset."""

    def __init__(self, path: str, offset: int, problem: str):
        super().__init__(f"{path}, offset {offset}: {problem}")


class IdxReader:
    """Reads one IDX file of unsigned bytes, gzip-compressed or not, sequentially.

    Offsets in errors count uncompressed bytes.

    Attributes:
        count: number of items according to the header.
        is_gzip: whether the file is compressed, and so can only be read from its start.
        shape: shape of one item, () for labels and (rows, columns) for images.

    Raises:
        IdxFormatError: the magic number is not `magic`, or the header is cut short.
    """

    def __init__(self, file: BinaryIO, path: str, magic: int):
        self._path = path
        self._offset = 0
        self.is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        self._file: BinaryIO = gzip.GzipFile(fileobj=file, mode="rb") if self.is_gzip else file  # type: ignore[assignment]
        found = struct.unpack(">I", self._read(4, "the magic number"))[0]
        if found != magic:
            raise IdxFormatError(path, 0, f"magic number {found}, expected {magic} (an IDX file of {_KINDS[magic]})")
        self.count, *shape = struct.unpack(f">{magic & 0xFF}I", self._read(4 * (magic & 0xFF), "the dimensions"))
        self.shape: tuple[int, ...] = tuple(shape)

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[npt.NDArray[np.uint8]]:
        """Yields uint8 [up to `size`, *shape] of the items from `start` to `stop`; by default, of all.

        After the last item it checks that the file ends. A compressed file must be read from the start.

        Raises:
            IdxFormatError: the file is truncated, damaged, or longer than its header says.
        """
        item = int(np.prod(self.shape, dtype=np.int64))
        stop = self.count if stop is None else stop
        if start:
            self._offset += start * item
            self._file.seek(self._offset)
        for first in range(start, stop, size):
            number = min(size, stop - first)
            data = self._read(number * item, f"items {first} to {first + number - 1} of {self.count}")
            yield np.frombuffer(data, np.uint8).reshape(number, *self.shape)
        if stop == self.count and self._read_some(1):
            raise IdxFormatError(self._path, self._offset - 1, f"bytes after the last of {self.count} items")

    def _read(self, number: int, what: str) -> bytes:
        data = self._read_some(number)
        if len(data) < number:
            raise IdxFormatError(self._path, self._offset, f"the file ends inside {what}")
        return data

    def _read_some(self, number: int) -> bytes:
        data = b""
        try:
            while len(data) < number and (more := self._file.read(number - len(data))):
                data += more
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            problem = "the gzip stream is cut short" if isinstance(error, EOFError) else f"damaged gzip: {error}"
            raise IdxFormatError(self._path, self._offset + len(data), problem) from error
        self._offset += len(data)
        return data
