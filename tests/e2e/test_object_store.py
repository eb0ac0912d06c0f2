"""Data, root and push folder in an object store: the clients of TensorFlow, Beam and the bot with an emulator."""

import json
import os
import subprocess
import sys
from pathlib import Path

from loopback_object_store import object_store

PICTURE = Path(__file__).parents[2] / "docs" / "sample" / "digit.jpg"
UPLOAD = """
import sys
import fsspec
filesystem, folder = fsspec.core.url_to_fs(sys.argv[2])
for path in __import__("pathlib").Path(sys.argv[1]).iterdir():
    filesystem.put_file(str(path), f"{folder}/{path.name}")
"""


def test_a_run_leaves_only_its_state_here_and_a_picture_is_read_from_the_store(tmp_path, tiny_mnist):
    repository = str(Path(__file__).parents[2])

    def call(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    with object_store(tmp_path, "digits-test") as reach:
        environment = {**os.environ, **reach, "PYTHONPATH": repository}
        assert call("-c", UPLOAD, str(tiny_mnist), "gs://digits-test/mnist").returncode == 0
        run = call(
            *(
                "-m",
                "pipeline.cli",
                "run",
                "--epochs=2",
                "--min-accuracy=0",
                "--min-digit-accuracy=0",
                "--min-pages-accuracy=0",
                "--min-refusal=0",
            ),
            *("--root=gs://digits-test/runs", "--data=gs://digits-test/mnist", "--push-dir=gs://digits-test/pushed"),
            *("--train-memory=1", "--beam-arg=--no_auth"),
        )
        logs = "".join(path.read_text()[-3000:] for path in tmp_path.rglob("*.log"))
        assert run.returncode == 0, run.stdout + run.stderr + logs
        state = tmp_path / "runs" / "gs" / "digits-test" / "runs"
        assert {path.name for path in state.iterdir()} >= {"metadata.sqlite", "logs"}
        assert not [path for path in tmp_path.rglob("*") if path.suffix in {".gz", ".pb", ".tflite", ".h5"}]

        seen = call("-m", "pipeline.cli", "predict", str(PICTURE), "--json", "--push-dir=gs://digits-test/pushed")
        assert seen.returncode == 0, seen.stderr
        assert json.loads(seen.stdout)[0]["digits"]
