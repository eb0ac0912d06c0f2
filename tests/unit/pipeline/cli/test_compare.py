"""`digits compare` and `digits report` up to the functions they call."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.data.files import DataError
from pipeline.history.records import HistoryError
from pipeline.report import ReportError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("DIGITS_"):
            monkeypatch.delenv(name)
    return tmp_path


def digits(*options):
    return CliRunner().invoke(app, list(options), env={"COLUMNS": "200"})


@pytest.fixture
def compared(monkeypatch):
    """Calls `digits compare` without running anything; returns the configurations, the folder and the photos."""
    calls = []
    monkeypatch.setattr("pipeline.data.store.fetch_if_absent", lambda folder, console: None)

    def compare_locally(combinations, console, output, *, photos, command, prepare, verbose):
        prepare()
        calls.append((list(combinations.values()), output, photos))
        return 0

    monkeypatch.setattr("pipeline.comparison.matrix.compare_locally", compare_locally)

    def compared(*options):
        done = digits("compare", *options)
        assert done.exit_code == 0, done.output
        return calls.pop()

    return compared


def test_all_networks_are_compared_at_10_and_40_epochs(compared, here):
    configs, output, photos = compared()

    assert [(config.training.model, config.training.epochs) for config in configs] == [
        ("lenet", 10),
        ("lenet", 40),
        ("my_model", 10),
        ("my_model", 40),
    ]
    assert {config.root for config in configs} == {str(here / "runs")}
    assert {config.data for config in configs} == {str(here / "runs" / "data")}
    assert output == Path("runs/reports/comparison")
    assert photos == []


def test_a_comparison_has_no_thresholds_and_no_push(compared):
    for config in compared()[0]:
        assert config.thresholds is None
        assert config.baseline == "none"
        assert config.enable_cache


def test_networks_epochs_and_seeds_can_be_chosen(compared, here):
    for name in ("a.json", "b.json"):
        (here / name).touch()
    configs, output, photos = compared(
        "--models=my_model", "--epochs=1, 2,2", "--seeds=2", "--output=o", "--photos=a.json", "--photos=b.json"
    )

    assert [(config.training.epochs, config.training.seed) for config in configs] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert {config.training.model for config in configs} == {"my_model"}
    assert output == Path("o")
    assert photos == [Path("a.json"), Path("b.json")]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--models", "lenet,alexnet"], "lenet, my_model"),
        (["--models", ","], "lenet, my_model"),
        (["--epochs", "10,many"], "numbers, 1 or more"),
        (["--epochs", "0"], "numbers, 1 or more"),
        (["--epochs", ""], "numbers, 1 or more"),
        (["--seeds", "0"], "--seeds"),
        (["--photos", "gone.json"], "gone.json"),
    ],
)
def test_wrong_usage_is_2_and_names_the_cause(options, named, here):
    done = digits("compare", *options)

    assert done.exit_code == 2
    assert named in done.stderr
    assert list(here.iterdir()) == []


def test_unavailable_data_is_a_one_line_error(monkeypatch, compared):
    def fail(folder, console):
        raise DataError("No mirror answered.")

    monkeypatch.setattr("pipeline.data.store.fetch_if_absent", fail)
    done = digits("compare")

    assert done.exit_code == 1
    assert done.stderr == "Error: No mirror answered.\n"


class Run:
    def __init__(self, run_id):
        self.run_id = run_id


@pytest.fixture
def written(monkeypatch):
    """Makes `digits report` find these runs and write nothing; returns what it would have written."""
    calls = []

    def write(root, run_ids, output, *, photos, command):
        calls.append((root, run_ids, output))
        return output / "report.html"

    monkeypatch.setattr("pipeline.report.worker.write_report_in_child", write)
    monkeypatch.setattr(
        "pipeline.report.selection.select_runs", lambda root, names: [Run(name) for name in names or ("a", "b")]
    )
    return calls


def test_a_report_on_one_run_has_its_folder(written):
    done = digits("report", "20261122")

    assert done.exit_code == 0, done.output
    assert written == [(Path("runs"), ["20261122"], Path("runs/reports/20261122"))]
    assert done.stdout == "runs/reports/20261122/report.html: written, 1 run. Open it in a browser.\n"


def test_a_report_on_several_runs_has_another(written):
    assert "2 runs" in digits("report", "--root", "r").stdout
    assert written == [(Path("r"), ["a", "b"], Path("r/reports/comparison"))]


def test_a_missing_run_is_a_one_line_error():
    done = digits("report")

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: No run in runs yet.")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("error", [HistoryError("No run x."), ReportError("Run x has no evaluation.")])
def test_a_failing_report_is_a_one_line_error(monkeypatch, written, error):
    def fail(root, names):
        raise error

    monkeypatch.setattr("pipeline.report.selection.select_runs", fail)
    done = digits("report", "x")

    assert done.exit_code == 1
    assert done.stderr == f"Error: {error}\n"
