"""Each write of a push, a pin, a fetch, a journal entry and a training state in turn fails, or is cut by a kill.

In each case: a one-line error without a traceback, no loss, no broken version that would be served, and the same
command then succeeds.
"""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_model
from injection import CRASHED, SENTENCE, SUCCESS, Point, inject, inject_into_command, trace, trace_command
from rich.console import Console
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import standard_artifacts as artifacts

from components.versioned_pusher import Executor, PushError
from models.training.checkpoint import Checkpoint, epochs_done
from pipeline.data.files import DataError
from pipeline.data.mnist import fetch, file_sha256, read_source
from serving_bot.telegram.journal import Journal
from serving_bot.versions.folder import PushFolderError, choose, is_complete, version_folders
from serving_bot.versions.history import read_history
from serving_bot.versions.hot_swap import ServedModel
from serving_bot.versions.pinning import promote, rollback, unpin
from serving_bot.versions.registry import read_registry

pytestmark = pytest.mark.faults

FAULTS = ("ENOSPC", "EIO", "KILL")


def every_fault(operation, folder: Path, expected, check, most_of_a_file=100):
    """Runs the operation with each fault at each point in a fresh copy of the folder, then again without a fault."""
    before = shutil.copytree(folder, folder.parent / "before")
    points = some_of(trace(operation, folder, expected), most_of_a_file)
    problems, hit = [], 0
    for point in points:
        for fault in FAULTS:
            shutil.rmtree(folder)
            shutil.copytree(before, folder)
            log = folder.parent / "injected.log"
            ended = inject(operation, point, fault, log, expected)
            hit += ended.status != SUCCESS
            try:
                assert ended.status in {SUCCESS, SENTENCE, -9}, ended.said
                assert ended.status != CRASHED
                assert (ended.status == -9) == (fault == "KILL"), "a kill kills, an error does not"
                assert "Traceback" not in ended.said
                check(ended, False)
                operation()  # the same again
                check(ended, True)
            except (AssertionError, Exception) as error:
                problems.append(f"{fault} at {point} ({ended.status}, {ended.said!r}): {error!r}")
    assert not problems, "\n".join([f"{len(problems)} of {len(points) * len(FAULTS)}:", *problems])
    assert hit > len(points), "most faults took effect"
    print(f"{len(points)} points, {hit} of {len(points) * len(FAULTS)} faults felt")


def some_of(points: list[Point], most: int) -> list[Point]:
    """All points; of many calls of one kind on one file only the first, the last and some between."""
    kinds: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        kinds.setdefault((point.call, point.path), []).append(point)
    chosen = []
    for group in kinds.values():
        chosen += [group[i] for i in sorted({round(i) for i in np.linspace(0, len(group) - 1, min(most, len(group)))})]
    return chosen


@pytest.fixture
def push_dir(tmp_path):
    folder = tmp_path / "work" / "serving_model"
    folder.mkdir(parents=True)
    for number in (1763800000, 1763800001):
        tiny_model.push(folder, number)
    promote(str(folder), 1763800000)
    return folder


def loadable(folder: Path) -> set[int]:
    """Every version the bot would try, checked as the bot does: none may be broken."""
    return {version.number for version in choose(str(folder)).versions if ServedModel.load(version, 1)}


@pytest.mark.parametrize(
    ("operation", "pins"),
    [
        (lambda folder: promote(folder, 1763800001), (1763800000, 1763800001)),
        (unpin, (1763800000, None)),
    ],
    ids=["promote", "unpin"],
)
def test_a_change_of_the_pin(push_dir, operation, pins):
    def check(ended, again):
        registry = read_registry(str(push_dir))
        history = read_history(registry)
        assert registry.problem is None
        assert registry.pin in (pins[1:] if again else pins)
        assert not history.damaged_lines
        assert loadable(push_dir) == {1763800000, 1763800001}

    every_fault(lambda: operation(str(push_dir)), push_dir, PushFolderError, check)


def test_a_rollback(push_dir):
    promote(str(push_dir), 1763800001)

    def operation():
        if read_registry(str(push_dir)).live.number != 1763800000:
            rollback(str(push_dir))

    def check(ended, again):
        assert read_registry(str(push_dir)).pin in ((1763800000,) if again else (1763800000, 1763800001))
        assert not read_history(read_registry(str(push_dir))).damaged_lines

    every_fault(operation, push_dir, PushFolderError, check)


def test_a_push(tiny_run, push_dir, tmp_path):
    inputs = {
        "model": [tiny_run.artifact("Trainer", "model", artifacts.Model)],
        "model_blessing": [tiny_run.artifact("Evaluator", "blessing", artifacts.ModelBlessing)],
        "infra_blessing": [tiny_run.artifact("ServingCheck", "blessing", artifacts.InfraBlessing)],
        "evaluation": [tiny_run.artifact("Evaluator", "evaluation", artifacts.ModelEvaluation)],
        "examples": [tiny_run.artifact("MnistExampleGen", "examples", artifacts.Examples)],
    }
    export = Path(inputs["model"][0].uri) / "Format-Serving"
    unpin(str(push_dir))

    def operation():
        pushed = artifacts.PushedModel()
        pushed.uri = str(tmp_path / "work" / "pushed")
        context = BaseExecutor.Context(pipeline_run_id="run-7")
        Executor(context).Do(inputs, {"pushed_model": [pushed]}, {"push_dir": str(push_dir)})

    def check(ended, again):
        assert {1763800000, 1763800001} <= loadable(push_dir), "existing versions are kept"
        complete = [version for version in version_folders(str(push_dir)) if is_complete(version)]
        for version in complete[:-2]:
            whole = [
                file_sha256(Path(version.path) / path.relative_to(export)) == file_sha256(path)
                for path in export.rglob("*")
                if path.is_file() and path.name != "card.json"
            ]
            assert all(whole), "complete versions have all files, also for TensorFlow Serving"
        if again:
            assert json.loads((Path(complete[0].path) / "assets.extra/card.json").read_text())["run_id"] == "run-7"

    every_fault(operation, push_dir, PushError, check)


def test_fetching_the_bundled_images(tmp_path):
    folder = tmp_path / "work" / "data"
    folder.mkdir(parents=True)

    def operation():
        fetch(folder, "bundled", Console(quiet=True))

    def check(ended, again):
        source = read_source(folder)
        if again:
            assert source.sha256 == {name: file_sha256(folder / name) for name in source.sha256}
            assert {path.name for path in folder.iterdir()} <= {*source.sha256, "source.json", ".lock"}

    every_fault(operation, folder, DataError, check, most_of_a_file=3)


def test_the_bots_journal(tmp_path):
    folder = tmp_path / "work" / "bot_state"
    folder.mkdir(parents=True)
    first = Journal(folder / "journal.sqlite")
    first.note({1: {"chat": 1}})
    del first

    def operation():
        journal = Journal(folder / "journal.sqlite")
        journal.note({2: {"chat": 2}, 3: {"chat": 3}})
        journal.answered(2)

    def check(ended, again):
        journal = Journal(folder / "journal.sqlite")
        waiting = {note["chat"] for note in journal.unanswered()}
        assert 1 in waiting, "recorded pictures are kept"
        assert waiting <= {1, 2, 3}
        assert not again or waiting == {1, 3}

    every_fault(operation, folder, (OSError, sqlite3.Error), check)


def test_the_state_of_a_training(tmp_path):
    folder = tmp_path / "work" / "checkpoint"
    folder.mkdir(parents=True)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    model.compile(optimizer="adam", loss="mse")
    model.fit(np.zeros((8, 4)), np.zeros((8, 2)), verbose=0)

    def operation(epoch=1):
        state = Checkpoint(str(folder))
        state.set_model(model)
        state.on_epoch_end(epoch)

    operation(0)

    def check(ended, again):
        done = epochs_done(str(folder))
        assert done in ((2,) if again else (1, 2))
        state = Checkpoint(str(folder))
        state.set_model(model)
        state.on_train_begin()
        assert float((folder / f"{done}.json").read_text()) > 0

    every_fault(operation, folder, (OSError, tf.errors.OpError), check)


def test_a_run_of_the_pipeline(tiny_run, tmp_path):
    """A sample of a run's writes, from the Trainer on; earlier components are cached."""
    work, before = tmp_path / "work", tmp_path / "before"
    shutil.copytree(Path(tiny_run.config.root).parent, before)
    config = tiny_run.config
    command = [
        *(sys.executable, "-m", "pipeline.cli", "run", "--model", "my_model", "--epochs", "2", "--seed", "7"),
        *("--min-accuracy", "0", "--min-digit-accuracy", "0", "--max-drop", "1"),
        *("--min-pages-accuracy", "0", "--min-refusal", "0", "--data", config.data),
        *("--root", str(work / "runs"), "--push-dir", str(work / "serving_model")),
    ]

    def fresh():
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(before, work)

    fresh()
    points = trace_command(command, work, tmp_path / "trace.log")
    problems = []
    for point in [points[round(i)] for i in np.linspace(0.05, 0.98, 3) * len(points)]:
        for fault in FAULTS:
            fresh()
            done = inject_into_command(command, point, fault, tmp_path / "injected.log")
            again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
            try:
                assert "Traceback" not in done.stdout + done.stderr
                assert done.returncode in {0, 1, -9, 137}, "done, failed with a message, or killed"
                # (if its log cannot be written, only its end is known)
                said = "No space left|Input/output|I/O error|disk is full|process ended with status 1"
                assert done.returncode == 0 or fault == "KILL" or re.search(said, done.stdout + done.stderr)
                assert again.returncode == 0, again.stdout[-2000:]
                assert len(loadable(work / "serving_model")) == 2
            except AssertionError as error:
                problems.append(f"{fault} at {point} ({done.returncode}, {done.stdout[-1500:]!r}): {error!r}")
    assert not problems, "\n".join(problems)
