"""Data at an address, in fsspec's own in-memory file system."""

import io
import json

import fsspec
import pytest
from rich.console import Console

from pipeline.data import files as files_of_mnist
from pipeline.data import store


@pytest.fixture
def address():
    memory = fsspec.filesystem("memory")
    yield "memory://bucket/data"
    memory.rm("/bucket", recursive=True)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


def test_the_four_files_are_uploaded_once_and_repaired_when_damaged(address, console, mnist_folder):
    memory = fsspec.filesystem("memory")
    store.fetch(address, "bundled", console)

    for name in files_of_mnist.MNIST.files:
        assert memory.cat_file(f"/bucket/data/{name}") == (mnist_folder / name).read_bytes()
    assert f"{address}: uploaded, 55,000 training and 10,000 test images (bundled).\n" in console.file.getvalue()

    modified = memory.modified(f"/bucket/data/{files_of_mnist.TRAIN_IMAGES}")
    memory.pipe_file(f"/bucket/data/{files_of_mnist.TEST_LABELS}", b"damaged")
    store.fetch(address, "auto", console)
    assert (
        memory.cat_file(f"/bucket/data/{files_of_mnist.TEST_LABELS}")
        == (mnist_folder / files_of_mnist.TEST_LABELS).read_bytes()
    )
    assert memory.modified(f"/bucket/data/{files_of_mnist.TRAIN_IMAGES}") == modified, (
        "what was right was uploaded again"
    )

    store.fetch(address, "auto", console)
    assert console.file.getvalue().endswith(
        f"{address}: complete and verified, 55,000 training and 10,000 test images (bundled).\n"
    )


def test_the_users_own_files_are_unchanged(address, console):
    memory = fsspec.filesystem("memory")
    own = {name.removesuffix(".gz"): name.encode() for name in files_of_mnist.MNIST.files}
    for name, content in own.items():
        memory.pipe_file(f"/bucket/data/{name}", content)

    store.fetch_if_absent(address, console)
    with store.local_copy(address) as folder:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == own
    assert {name.rpartition("/")[2] for name in memory.ls("/bucket/data", detail=False)} == set(own)
    with pytest.raises(
        files_of_mnist.DataError, match=f"{address}/train-images-idx3-ubyte was not made by `digits data`"
    ):
        store.fetch(address, "bundled", console)


def test_a_local_folder_is_used_directly(tmp_path, console, mnist_folder):
    store.fetch(str(tmp_path), "bundled", console)

    assert json.loads((tmp_path / "source.json").read_text()) == json.loads((mnist_folder / "source.json").read_text())
    with store.local_copy(str(tmp_path)) as folder:
        assert folder == tmp_path


def test_an_unsupported_address_is_a_one_line_error(console):
    with pytest.raises(
        files_of_mnist.DataError, match="nowhere://bucket cannot be opened: Protocol not known: nowhere"
    ):
        store.fetch_if_absent("nowhere://bucket", console)
