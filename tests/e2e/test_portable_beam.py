"""`digits run --beam-runner portable`: a job server and a worker pool in separate processes, as with Flink.

Job server and worker pool are Beam's; only the engine is smaller than Flink or Spark.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.portable

ROOT = Path(__file__).parents[2]
PYTHONS = str(Path(sys.executable).parent)
WORKERS = 2


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextmanager
def started(log, port, *command, path=PYTHONS):
    """A server in a separate process, once it listens; its children end with it."""
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, *command], stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield server
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@contextmanager
def engine(folder, path=PYTHONS):
    """A job server and a worker pool: their options, and the pool's log."""
    job_port, pool_port = free_port(), free_port()
    pool_log = folder / "pool.log"
    service = [str(ROOT / "tests" / "portable_job_service.py"), str(WORKERS), "-p", str(job_port)]
    pool = ["-m", "apache_beam.runners.worker.worker_pool_main", "--service_port", str(pool_port)]
    with started(folder / "jobs.log", job_port, *service), started(pool_log, pool_port, *pool, path=path) as process:
        options = [
            "--beam-runner=portable",
            f"--beam-arg=--job_endpoint=127.0.0.1:{job_port}",
            f"--beam-arg=--environment_config=127.0.0.1:{pool_port}",
        ]
        yield options, pool_log, process


def command(folder, data, *options):
    return [
        *(sys.executable, "-m", "pipeline.cli", "run", "--epochs=2", f"--data={data}"),
        *(
            "--min-accuracy=0",
            "--min-digit-accuracy=0",
            "--min-pages-accuracy=0",
            "--min-refusal=0",
            f"--root={folder / 'runs'}",
            f"--push-dir={folder / 'pushed'}",
        ),
        *options,
    ]


def run(folder, data, *options):
    return subprocess.run(command(folder, data, *options), cwd=ROOT, capture_output=True, text=True, check=False)


def workers_by_job(log):
    """Number of workers the pool started for each job (for each control server of a job)."""
    text = log.read_text()
    addresses = re.findall(r"SdkHarness\(\"([^\"]+)\"", text)
    return [addresses.count(address) for address in dict.fromkeys(addresses)]


def test_the_whole_pipeline_runs_on_a_job_server_and_several_workers(tmp_path, tiny_mnist):
    with engine(tmp_path) as (options, pool_log, _):
        done = run(tmp_path, tiny_mnist, *options)

        assert done.returncode == 0, done.stdout + done.stderr
        assert len(list((tmp_path / "pushed").glob("*/saved_model.pb"))) == 1
        jobs = workers_by_job(pool_log)
        assert len(jobs) == 3, "MnistExampleGen, StatisticsGen and Evaluator are Beam jobs"
        assert set(jobs) == {WORKERS}


def test_a_killed_worker_fails_its_component_and_the_same_command_resumes(tmp_path, tiny_mnist):
    with engine(tmp_path) as (options, pool_log, pool):
        running = subprocess.Popen(
            command(tmp_path, tiny_mnist, *options),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + 120
        while not (harnesses := psutil.Process(pool.pid).children()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        harnesses[0].kill()
        said, _ = running.communicate(timeout=300)

    assert running.returncode == 1, said
    assert "MnistExampleGen failed: " in said
    assert "Traceback" not in said
    with engine(tmp_path) as (options, pool_log, _):
        done = run(tmp_path, tiny_mnist, *options)

        assert done.returncode == 0, done.stdout + done.stderr
        assert set(workers_by_job(pool_log)) == {WORKERS}


def test_a_pool_with_another_python_is_a_one_line_error(tmp_path, tiny_mnist):
    other = tmp_path / "bin" / "python"
    other.parent.mkdir()
    other.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')  # without site-packages
    other.chmod(0o755)

    with engine(tmp_path, path=str(other.parent)) as (options, _, _):
        done = run(tmp_path, tiny_mnist, *options)

    assert done.returncode == 1
    assert "no worker started within a minute" in done.stdout
    assert "first on PATH" in done.stdout


def test_a_missing_server_is_reported_immediately(tmp_path, tiny_mnist):
    options = [
        "--beam-runner=portable",
        f"--beam-arg=--job_endpoint=127.0.0.1:{free_port()}",
        f"--beam-arg=--environment_config=127.0.0.1:{free_port()}",
    ]
    start = time.monotonic()

    done = run(tmp_path, tiny_mnist, *options)

    assert done.returncode == 1
    assert "Beam's job server at 127.0.0.1:" in done.stderr
    assert time.monotonic() - start < 20
