"""`digits runs`, `digits lineage` and `digits models` as users call them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ml_metadata import proto
from rich.console import Console
from tiny_model import push
from typer.testing import CliRunner

from benchmarks.history import DATA_COMPONENTS, FIGURES, HistoryWriter
from pipeline.cli import app, options

FIRST, SECOND = "20261122-120000.000001", "20261123-120000.000002"
MISSED = [
    {"digit": 8, "value": 0.8512, "bound": 0.899999, "is_change": False},
    {"digit": None, "value": -0.0031, "bound": -0.002001, "is_change": True},
]


def call(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done


@pytest.fixture
def root(tmp_path):
    """A pushed run, and one with its data from the cache that was not blessed."""
    writer = HistoryWriter(tmp_path)
    writer.write(FIRST, version=17, push_dir=str(tmp_path / "pushed"))
    figures = {**FIGURES, "blessed": False, "baseline_accuracy": 0.9831, "failures": MISSED}
    writer.write(SECOND, parameters={"model": "my_model", "seed": 5}, figures=figures, cached=DATA_COMPONENTS)
    return tmp_path


def test_runs_list(root):
    header, newest, oldest = call("runs", "list", "--root", root).stdout.splitlines()

    assert header.split() == ["run", "model", "seed", "test", "accuracy", "state", "version", "time"]
    assert newest.split()[:-2] == [SECOND, "MyModel,", "10", "epochs", "5", "98.00%", "not", "blessed"]
    assert oldest.split()[:-2] == [FIRST, "LeNet,", "10", "epochs", "1", "98.00%", "pushed", "17"]
    assert [run["run_id"] for run in json.loads(call("runs", "list", "--root", root, "--json").stdout)] == [
        SECOND,
        FIRST,
    ]


def test_runs_show_explains_a_refusal_and_names_the_origin_of_cached_artifacts(root):
    text = call("runs", "show", "--root", root).stdout

    assert "• digit 8: accuracy 85.12% is below --min-digit-accuracy 90.00%" in text
    assert "• accuracy is 0.31 points below the baseline's 98.31%; --max-drop allows 0.20" in text
    (row,) = [line for line in text.splitlines() if line.startswith("MnistExampleGen")]
    assert f"cached, of run {FIRST}" in row
    assert row.rstrip().endswith(f"{root}/MnistExampleGen/examples/2")
    shown = json.loads(call("runs", "show", SECOND, "--root", root, "--json").stdout)
    assert shown["state"] == "not blessed"
    assert len(shown["reasons"]) == 2
    assert shown["parameters"]["seed"] == 5
    assert shown["data"]["splits"]["train"] == 53000
    assert shown["thresholds"]["min_accuracy"] == 0.97


def test_runs_show_explains_a_failure(tmp_path):
    writer = HistoryWriter(tmp_path)
    writer.write(FIRST, last="MnistExampleGen", last_state=proto.Execution.FAILED, error="it is [cut] short")

    assert "• MnistExampleGen failed: it is [cut] short" in call("runs", "show", "--root", tmp_path).stdout


def test_runs_diff_shows_only_what_differs(root):
    found = json.loads(call("runs", "diff", "20261122", "latest", "--root", root, "--json").stdout)

    assert found["runs"] == [FIRST, SECOND]
    differences = found["differences"]
    assert differences["Model"] == ["LeNet, 10 epochs", "MyModel, 10 epochs"]
    assert differences["Seed"] == [1, 5]
    assert differences["State"] == ["pushed", "not blessed"]
    assert not {"Batch size", "Data fingerprint", "Test accuracy", "--min-accuracy"} & set(differences)
    text = call("runs", "diff", FIRST, SECOND, "--root", root).stdout
    assert "Seed" in text
    assert "Batch size" not in text
    assert "differ only in when they ran" in call("runs", "diff", FIRST, FIRST, "--root", root).stdout


def test_lineage_goes_from_the_version_to_the_data(root):
    traced = json.loads(call("lineage", 17, "--root", root, "--json").stdout)

    assert traced["pushed"]["run_id"] == FIRST
    assert traced["data_fingerprint"].startswith("split:train")
    assert traced["source_fingerprint"] == "0" * 64
    text = call("lineage", 17, "--root", root).stdout
    order = [
        text.index(word) for word in ("version 17", "model", "evaluation", "transform", "statistics", "split:train")
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("command", ["runs list", "runs show", "runs diff", "models list", "models show"])
def test_tables_fit_80_columns_without_cutting_ids(root, monkeypatch, command):
    monkeypatch.setattr(options, "output", lambda: Console(highlight=False, width=80))
    push_dir = root / "pushed"
    for version, run in ((1763800017, FIRST), (1763800018, SECOND)):
        card = push(push_dir, version) / "assets.extra" / "card.json"
        facts = {"run_id": run, "display_name": "MyModel", "epochs": 40, "seed": 1}
        card.write_text(json.dumps({**json.loads(card.read_text()), **facts}))
    (push_dir / "1763800018" / "assets.extra" / "model.tflite").write_bytes(b"damaged")
    folder = ("--push-dir", push_dir) if command.startswith("models") else ("--root", root)
    runs = (FIRST, SECOND) if command == "runs diff" else ()

    lines = call(*command.split(), *runs, *folder).stdout.splitlines()

    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert {"runs show": SECOND, "models show": FIRST}.get(command, FIRST) in " ".join(lines)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("runs", "list"), "No run in "),
        (("runs", "show"), "No run in "),
        (("lineage", "17"), "No run in "),
        (("tensorboard",), "No run in "),
    ],
)
def test_no_runs_is_a_one_line_error(tmp_path, arguments, sentence):
    done = call(*arguments, "--root", tmp_path)

    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {sentence}")
    assert done.stderr.count("\n") == 1


def test_models_from_push_to_rollback_and_back(tmp_path):
    for version in (1763800000, 1763800100):
        push(tmp_path, version)
    at = ("--push-dir", tmp_path)
    listed = call("models", "list", *at).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["version", "1763800100", "1763800000"]
    assert [line.rstrip().endswith("live") for line in listed] == [False, True, False]
    assert "99.26%" in listed[1]

    done = call("models", "rollback", *at)
    assert done.stdout.startswith("Version 1763800000 (Ten templates) is live now and stays live, whatever is pushed")
    shown = json.loads(call("models", "show", *at, "--json").stdout)
    assert (shown["version"], shown["live"], shown["pinned"]) == (1763800000, True, True)
    assert shown["card"]["run_id"] == "run-1763800000"

    assert "The pin is removed. Version 1763800100 (Ten templates) is live." in call("models", "unpin", *at).stdout
    events = json.loads(call("models", "history", *at, "--json").stdout)["events"]
    assert [event["action"] for event in events] == ["push", "push", "rollback", "unpin"]
    assert "rolled back" in call("models", "history", *at).stdout


@pytest.mark.parametrize("command", [("show", "9"), ("promote", "9")])
def test_a_missing_version_is_a_one_line_error(tmp_path, command):
    push(tmp_path, 1)
    done = call("models", *command, "--push-dir", tmp_path)

    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: No version 9 in {tmp_path}.")


def test_an_invalid_card_causes_no_traceback(tmp_path):
    card = {"metrics": {"test_accuracy": "high"}, "epochs": None, "data": "x", "versions": 3, "run_id": []}
    (push(tmp_path, 1) / "assets.extra" / "card.json").write_text(json.dumps(card))

    assert call("models", "list", "--push-dir", tmp_path).stdout
    assert call("models", "show", "1", "--push-dir", tmp_path).stdout


def test_no_pushed_models_is_a_one_line_error(tmp_path):
    for command in ("list", "show", "rollback", "unpin", "history"):
        done = call("models", command, "--push-dir", tmp_path)
        assert done.exit_code == 1
        assert done.stderr.startswith(f"Error: No model has been pushed to {tmp_path} yet.")


@pytest.mark.parametrize("command", [("runs", "list", "--root"), ("models", "list", "--push-dir")])
def test_lists_do_not_load_tensorflow(root, command):
    push(root, 1)
    line = [sys.executable, "-X", "importtime", "-m", "pipeline.cli", *command, str(root)]
    done = subprocess.run(line, cwd=Path(__file__).parents[4], capture_output=True, text=True, check=True)

    imported = {line.rsplit("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "rich" in imported
    assert not imported & {"tensorflow", "tfx", "keras", "apache_beam", "tensorflow_model_analysis", "cv2", "pandas"}
