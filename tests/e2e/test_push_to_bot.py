"""From a run of the pipeline to an answer in a chat, twice, with the same bot."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from loopback_bot_api import LoopbackBotApi
from running_bot import running, version_of
from tiny_model import picture


@pytest.fixture
def api():
    with LoopbackBotApi() as api:
        yield api


def test_pushed_versions_are_served_without_a_restart(api, tiny_run):
    config = tiny_run.config
    with running(api, Path(config.push_dir), "--pictures-per-minute", "10000"):

        def answering_version() -> str:
            message = api.photo(picture("0"))
            (answer,) = api.wait(lambda: api.answers(1, message))
            return version_of(answer)

        first = answering_version()
        assert first in {path.parent.name for path in Path(config.push_dir).glob("*/saved_model.pb")}
        options = {
            "root": config.root,
            "data": config.data,
            "push-dir": config.push_dir,
            "epochs": config.training.epochs,
            "seed": config.training.seed + 100,
            "min-accuracy": 0,
            "min-digit-accuracy": 0,
            "min-pages-accuracy": 0,
            "min-refusal": 0,
            "max-drop": 1,
        }
        command = [sys.executable, "-m", "pipeline.cli", "run"]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
        assert done.returncode == 0, done.stdout + done.stderr
        newest = max(int(path.parent.name) for path in Path(config.push_dir).glob("*/saved_model.pb"))
        assert newest > int(first)
        api.wait(lambda: answering_version() == str(newest))
        api.text("/model")
        card = json.loads(Path(config.push_dir, str(newest), "assets.extra", "card.json").read_text())
        api.wait(lambda: card["run_id"] in api.said(1)[-1])
