import gzip
import io
import struct

import numpy as np
import pytest

from components.mnist_example_gen.idx import IMAGES_MAGIC, LABELS_MAGIC, IdxFormatError, IdxReader

IMAGES = np.arange(3 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(3, 28, 28)
PLAIN = struct.pack(">4I", IMAGES_MAGIC, 3, 28, 28) + IMAGES.tobytes()


def read(data: bytes, magic: int = IMAGES_MAGIC, size: int = 2) -> list[np.ndarray]:
    return list(IdxReader(io.BytesIO(data), "some/file", magic).batches(size))


@pytest.mark.parametrize("data", [PLAIN, gzip.compress(PLAIN)], ids=["plain", "gzip"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_reads_all_items_in_batches(data, size):
    batches = read(data, size=size)
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    np.testing.assert_array_equal(np.concatenate(batches), IMAGES)


def test_reads_labels():
    labels = struct.pack(">2I", LABELS_MAGIC, 4) + bytes([3, 1, 4, 1])
    assert np.concatenate(read(labels, LABELS_MAGIC)).tolist() == [3, 1, 4, 1]


@pytest.mark.parametrize(
    ("data", "offset", "problem"),
    [
        (b"", 0, "ends inside the magic number"),
        (b"\x00\x00", 2, "ends inside the magic number"),
        (PLAIN[:10], 10, "ends inside the dimensions"),
        (PLAIN[:-1], len(PLAIN) - 1, "ends inside items 2 to 2 of 3"),
        (PLAIN + b"\x00", len(PLAIN), "bytes after the last of 3 items"),
        (gzip.compress(PLAIN)[:60] + b"\xff" * 40 + gzip.compress(PLAIN)[100:], None, "damaged gzip"),
    ],
    ids=["empty", "short magic", "header", "truncated", "too long", "damaged gzip"],
)
def test_errors_name_file_offset_and_problem(data, offset, problem):
    with pytest.raises(IdxFormatError, match=problem) as caught:
        read(data)
    assert str(caught.value).startswith("some/file, offset ")
    if offset is not None:
        assert f"offset {offset}:" in str(caught.value)
