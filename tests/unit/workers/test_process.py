import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from workers import Worker, WorkerEndedError, WorkerTimeoutError, ask

HERE = "tests.unit.workers.functions"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a worker with a function of this body, which can use `connection`."""

    def start(body, **options):
        program = (
            f"import os, signal, sys, time\n\n\ndef work(connection):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
        )
        (tmp_path / "functions.py").write_text(program)
        paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
        return Worker("functions:work", environment={**os.environ, "PYTHONPATH": paths}, **options)

    return start


def test_messages_go_both_ways(start):
    with start("connection.send(connection.recv() * 2); connection.send(b'x' * 10_000_000)") as worker:
        worker.send([1, 2])

        assert worker.receive() == [1, 2, 1, 2]
        assert len(worker.receive()) == 10_000_000


def test_messages_arrive_complete_if_a_library_set_a_socket_timeout(start):
    socket.setdefaulttimeout(5.0)
    try:
        with start("time.sleep(0.5); connection.send(connection.recv())") as worker:
            worker.send(b"x" * 10_000_000)
            assert len(worker.receive()) == 10_000_000
    finally:
        socket.setdefaulttimeout(None)


def test_two_concurrent_stops_are_safe(start):
    worker = start("time.sleep(60)")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: worker.stop(patience=0), range(8)))

    assert worker.process.returncode == -signal.SIGKILL


def test_temporary_files_are_removed_with_the_worker(start):
    body = "import tempfile; connection.send(tempfile.mkstemp()[1]); time.sleep(60)"
    with start(body) as worker:
        left = Path(worker.receive())
        assert left.exists()

    assert worker.process.returncode == -signal.SIGKILL
    assert not left.exists()
    assert not left.parent.exists()


def test_messages_end_with_the_worker(start):
    with start("for number in range(3): connection.send(number)") as worker:
        assert list(worker) == [0, 1, 2]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("sys.exit(7)", 7, "its process ended with exit status 7"),
        ("print('much'); sys.exit('the reason')", 1, "its process ended with exit status 1: the reason"),
        ("raise ValueError('wrong')", 1, "its process ended with exit status 1: ValueError: wrong"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "its process ended with signal 9 (SIGKILL)"),
        ("connection._send((99).to_bytes(4, 'big') + b'cut'); os._exit(3)", 3, "its process ended with exit status 3"),
    ],
)
def test_a_workers_end_is_described(start, body, status, message):
    with start(body) as worker, pytest.raises(WorkerEndedError) as raised:
        worker.receive()

    assert (raised.value.status, str(raised.value)) == (status, message)


def test_a_worker_that_fails_after_its_messages_is_not_successful(start):
    with start("connection.send(1); sys.exit(2)") as worker, pytest.raises(WorkerEndedError):
        list(worker)


def test_sending_to_an_ended_worker_says_how_it_ended(start):
    with start("sys.exit(7)") as worker:
        worker.wait()
        with pytest.raises(WorkerEndedError, match="exit status 7"):
            worker.send(b"x" * 10_000_000)


def test_the_timeout_ends(start):
    with start("time.sleep(60)") as worker, pytest.raises(WorkerTimeoutError, match=r"no answer within 0.1 s"):
        worker.receive(timeout=0.1)
    assert worker.process.returncode == -signal.SIGKILL


def test_within_the_timeout_it_may_close_its_files(start, tmp_path):
    body = f"""
        try:
            connection.send("ready")
            time.sleep(60)
        except KeyboardInterrupt:
            open({str(tmp_path / "closed")!r}, "w").close()
        """
    worker = start(body)
    assert worker.receive() == "ready"
    worker.stop(patience=20)

    assert worker.process.returncode == 0
    assert (tmp_path / "closed").exists()


def test_it_ends_with_a_killed_parent(tmp_path):
    """Otherwise it would keep working in the root of a killed `digits run` while the next run starts there."""
    (tmp_path / "functions.py").write_text(
        "import os, time\ndef work(connection): connection.send(os.getpid()); time.sleep(60)\n"
    )
    program = "import workers; w = workers.Worker('functions:work'); print(w.receive(), flush=True); input()"
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")]), os.getcwd()])
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "PYTHONPATH": paths, "TMPDIR": str(tmp_path / "temporary")}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()

    child.wait(timeout=10)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_its_output_goes_to_the_given_file(start, tmp_path):
    with (
        (tmp_path / "log").open("wb") as log,
        start("print('out'); print('err', file=sys.stderr)", output=log) as worker,
    ):
        worker.wait()

    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]


def test_asking_returns_the_answer_or_raises_the_sent_error(tmp_path, monkeypatch):
    body = "def half(n):\n    if n == 0:\n        raise ValueError('none')\n    return n / 2\n"
    (tmp_path / "functions.py").write_text(body)
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    options = {"error": ValueError, "failure": "It failed", "environment": {**os.environ, "PYTHONPATH": paths}}

    assert ask("functions:half", 3, **options) == 1.5
    with pytest.raises(ValueError, match=r"^none$"):
        ask("functions:half", 0, **options)
    with pytest.raises(ValueError, match=r"^It failed: its process ended with exit status 1: TypeError: .*\.$"):
        ask("functions:half", "text", **options)


def test_nothing_is_left_in_the_temporary_folder(start, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    start_time = time.monotonic()
    with start("print('noise'); time.sleep(60)"):
        pass
    assert list((tmp_path / "temporary").iterdir()) == []
    assert time.monotonic() - start_time < 30
