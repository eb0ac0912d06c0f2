import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from typer.testing import CliRunner

from benchmarks.history import HistoryWriter
from pipeline.cli import app
from pipeline.history.reading import read_run
from pipeline.history.tensorboard import link_logs

FIRST, SECOND, THIRD = "20261122-120000.000001", "20261122-130000.000002", "20261123-120000.000003"


def test_logs_get_names_of_model_epochs_and_run(tmp_path):
    root, links = tmp_path / "runs", tmp_path / "links"
    root.mkdir()
    links.mkdir()
    writer = HistoryWriter(root)
    writer.write(FIRST)
    writer.write(SECOND, cached=("Trainer",))
    writer.write(THIRD, parameters={"model": "my_model", "epochs": 3})
    logs = {}
    for run_id in (FIRST, THIRD):
        logs[run_id] = root / "Trainer" / "model_run" / str(read_run(root, run_id)["Trainer"].execution)
        logs[run_id].mkdir(parents=True)

    assert [link_logs(root, links), link_logs(root, links)] == [2, 2]
    assert {path.name: Path(os.readlink(path)) for path in links.iterdir()} == {
        f"lenet-10-epochs-{FIRST}": logs[FIRST],
        f"my_model-3-epochs-{THIRD}": logs[THIRD],
    }


def test_tensorboard_shows_the_trainings_and_ends_on_an_interrupt(tiny_run):
    line = [sys.executable, "-m", "pipeline.cli", "tensorboard", "--root", tiny_run.config.root, "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            said = running.stdout.readline()
            url = said.split(" at ")[1].split()[0]
            shown = []
            for _ in range(200):
                shown = json.loads(urlopen(f"{url}data/runs").read())
                if shown:
                    break
                time.sleep(0.1)
            running.send_signal(signal.SIGINT)
            _, noise = running.communicate(timeout=60)
        finally:
            running.kill()

    assert f"my_model-2-epochs-{tiny_run.run.run_id}/train" in shown
    assert noise == ""
    assert running.returncode == 0


def test_a_port_in_use_is_a_one_line_error(tmp_path):
    HistoryWriter(tmp_path).write(FIRST)
    (tmp_path / "Trainer" / "model_run" / str(read_run(tmp_path, FIRST)["Trainer"].execution)).mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(app, ["tensorboard", "--root", str(tmp_path), "--port", port])

    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: TensorBoard could not bind to port {port}, it was already in use. Choose another --port.\n"
    )
