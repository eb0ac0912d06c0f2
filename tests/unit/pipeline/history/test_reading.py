import json
import sqlite3
from dataclasses import asdict
from pathlib import Path

import pytest
from factories import NO_DEMANDS
from filelock import FileLock
from ml_metadata import proto

from benchmarks.history import DATA_COMPONENTS, FIGURES, HistoryWriter
from pipeline.config import LOCK_FILE, METADATA_FILE
from pipeline.history.lineage import trace
from pipeline.history.reading import find_run, read_run, read_runs
from pipeline.history.records import HistoryError

FIRST, SECOND, THIRD = "20261122-120000.000001", "20261122-130000.000002", "20261123-120000.000003"


@pytest.fixture
def writer(tmp_path: Path) -> HistoryWriter:
    return HistoryWriter(tmp_path)


def test_runs_come_newest_first_with_parameters_and_results(tmp_path, writer):
    writer.write(FIRST, version=17, push_dir="/pushed")
    writer.write(SECOND, parameters={"model": "my_model", "epochs": 3, "seed": 7})

    newest, oldest = read_runs(tmp_path)

    assert (newest.run_id, oldest.run_id) == (SECOND, FIRST)
    assert (newest.parameters["model"], newest.parameters["epochs"], newest.parameters["seed"]) == ("my_model", 3, 7)
    assert (oldest.version, oldest.destination) == (17, "/pushed/17")
    assert oldest.figures == FIGURES
    assert oldest.thresholds == {"min_accuracy": 0.97, "min_digit_accuracy": 0.9, "max_drop": 0.002}
    assert oldest.model_run.uri == f"{tmp_path}/Trainer/model_run/{oldest['Trainer'].execution}"
    assert oldest.examples.properties["source"] == "bundled"
    assert [step.name for step in oldest.steps][:2] == ["ImportSchemaGen", "MnistExampleGen"]
    assert oldest.seconds >= 0


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ({"version": 1}, "pushed"),
        ({"figures": {**FIGURES, "blessed": False}}, "not blessed"),
        ({"servable": False}, "not blessed"),
        ({"last": "Trainer", "last_state": proto.Execution.FAILED}, "failed"),
        ({"last": "Trainer", "last_state": proto.Execution.RUNNING}, "interrupted"),
        ({"last": "Trainer"}, "interrupted"),
    ],
    ids=["pushed", "not blessed", "not servable", "failed", "killed in a component", "killed between components"],
)
def test_states_of_a_run(tmp_path, writer, written, state):
    writer.write(FIRST, **written)
    (run,) = read_runs(tmp_path)

    assert run.state == state
    if state in ("failed", "interrupted"):
        assert run.version is run.figures is run.blessed is run.servable is None


def test_a_run_that_holds_the_roots_lock_is_running(tmp_path, writer):
    writer.write(FIRST, last="Trainer", last_state=proto.Execution.RUNNING)
    writer.write(SECOND, last="Trainer", last_state=proto.Execution.RUNNING)
    with FileLock(tmp_path / LOCK_FILE):
        assert [run.state for run in read_runs(tmp_path)] == ["running", "interrupted"]

    assert [run.state for run in read_runs(tmp_path)] == ["interrupted", "interrupted"]


def test_a_cached_component_has_the_original_runs_artifacts(tmp_path, writer):
    writer.write(FIRST)
    writer.write(SECOND, cached=DATA_COMPONENTS)
    newest, oldest = read_runs(tmp_path)

    assert newest["MnistExampleGen"].state == "cached"
    assert newest.examples == oldest.examples
    assert newest.model != oldest.model


def test_the_reason_of_a_failure_is_recorded(tmp_path, writer):
    writer.write(FIRST, last="MnistExampleGen", last_state=proto.Execution.FAILED, error="the gzip stream is cut short")
    step = read_run(tmp_path, FIRST)["MnistExampleGen"]

    assert (step.state, step.error) == ("failed", "the gzip stream is cut short")
    assert "error_message" not in step.parameters


def test_other_pipelines_runs_are_ignored(tmp_path, writer):
    writer.write(FIRST, pipeline="taxi")
    with pytest.raises(HistoryError, match=r"has no run of this pipeline\. Make one"):
        read_runs(tmp_path)
    writer.write(SECOND)

    assert [run.run_id for run in read_runs(tmp_path)] == [SECOND]


def test_a_run_is_found_by_the_beginning_of_its_name(tmp_path, writer):
    for run_id in (FIRST, SECOND, THIRD):
        writer.write(run_id, last="ImportSchemaGen")
    runs = read_runs(tmp_path)

    assert find_run(runs, "20261122-13").run_id == SECOND
    assert find_run(runs, "latest").run_id == THIRD
    with pytest.raises(HistoryError, match=r"^2026 is ambiguous: [\d.-]+(, [\d.-]+){4}, others\. Give more of the id"):
        find_run(runs * 2, "2026")
    with pytest.raises(HistoryError, match=rf"is ambiguous: {SECOND}, {FIRST}\. Give more of the id"):
        find_run(runs, "20261122")
    with pytest.raises(HistoryError, match=r"No run 2025\. `digits runs list` lists all runs"):
        find_run(runs, "2025")
    with pytest.raises(HistoryError, match="No run"):
        read_run(tmp_path, "2025")


def foreign_tables(path):
    with sqlite3.connect(path) as database:
        database.execute("create table a (b)")


def other_release(path):
    HistoryWriter(path.parent).write(FIRST)
    with sqlite3.connect(path) as database:
        database.execute("update MLMDEnv set schema_version = schema_version + 1")


def cut_short(path):
    HistoryWriter(path.parent).write(FIRST)
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: None, r"No run in .* yet\. Make one \(`digits run`\)"),
        (lambda path: path.write_bytes(b""), "is not an ML Metadata database"),
        (lambda path: path.write_text("hello " * 1000), "is not an ML Metadata database"),
        (foreign_tables, "is not an ML Metadata database"),
        (other_release, "was written by another release of ML Metadata"),
        (cut_short, r"cannot be read \(database disk image is malformed\)"),
    ],
    ids=["missing", "empty", "text", "another program's", "another release's", "cut short"],
)
def test_a_foreign_database_is_a_one_line_error_and_unchanged(tmp_path, damage, sentence):
    path = tmp_path / METADATA_FILE
    damage(path)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(HistoryError, match=sentence) as caught:
        read_runs(tmp_path)

    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.exists() else None) == before


def test_a_serving_problem_is_read_from_its_report(tmp_path, writer):
    writer.write(FIRST, servable=False)
    (run,) = read_runs(tmp_path)
    assert run.serving_problem == f"the report in {run.artifact('ServingCheck', 'blessing').uri} is gone or damaged"
    folder = Path(run.artifact("ServingCheck", "blessing").uri)
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({"problem": "classes differ"}))

    assert read_runs(tmp_path)[0].serving_problem == "classes differ"
    assert run.picture_misses == []


def test_results_on_synthetic_pictures_are_read_from_the_same_report(tmp_path, writer):
    writer.write(FIRST, servable=False)
    (run,) = read_runs(tmp_path)
    folder = Path(run.artifact("ServingCheck", "blessing").uri)
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({"problem": None, "misses": ["too sure of letters"]}))

    assert (run.serving_problem, run.picture_misses) == (None, ["too sure of letters"])


def test_a_version_is_traced_to_its_data_through_cached_components(tmp_path, writer):
    writer.write(FIRST, last="Transform")
    writer.write(SECOND, cached=DATA_COMPONENTS, version=17)
    writer.write(THIRD, cached=(*DATA_COMPONENTS, "Trainer", "Evaluator", "ServingCheck"), version=17)

    lineage = trace(read_runs(tmp_path), 17, "/serving_model")

    assert lineage.pushed.run.run_id == SECOND, "the third found it there"
    made_in = {part: getattr(lineage, part).run.run_id for part in ("model", "evaluation")}
    assert made_in == {"model": SECOND, "evaluation": SECOND}
    for part in ("transform_graph", "schema", "statistics", "examples"):
        assert getattr(lineage, part).run.run_id == FIRST, part
    assert lineage.statistics.step.name == "StatisticsGen"
    assert lineage.examples.artifact.properties["input_fingerprint"].startswith("split:train")


def test_equal_numbers_in_two_push_folders_are_distinguished(tmp_path, writer):
    writer.write(FIRST, version=17, push_dir="/one")
    writer.write(SECOND, version=17, push_dir="/other")
    runs = read_runs(tmp_path)

    assert trace(runs, 17, "/one").pushed.run.run_id == FIRST
    assert trace(runs, 17, "/other").pushed.run.run_id == SECOND


def test_a_version_that_no_run_pushed_is_a_one_line_error(tmp_path, writer):
    writer.write(FIRST, version=17)
    with pytest.raises(HistoryError, match=r"No run here pushed version 18\. `digits models show 18` names"):
        trace(read_runs(tmp_path), 18, "/serving_model")


def test_runs_are_ordered_by_creation_and_not_by_clock(tmp_path, writer):
    for run_id in (THIRD, FIRST, SECOND):  # the clock was set back, then forward
        writer.write(run_id)

    assert [run.run_id for run in read_runs(tmp_path)] == [SECOND, FIRST, THIRD]


def test_a_real_run(tiny_run):
    """What TFX writes is what the rest of this file believes it writes."""
    run = read_run(tiny_run.config.root, tiny_run.run.run_id)

    assert run == tiny_run.run
    assert run.state == "pushed"
    assert "misread" not in run.figures
    assert run.thresholds == asdict(NO_DEMANDS)
    assert run.command == tiny_run.config.command
    assert run.noted["seconds"] == run.seconds > sum(step.seconds for step in run.steps)
    assert Path(run.model_run.uri, "train").is_dir()
    assert run.card["run_id"] == run.run_id
    lineage = trace(read_runs(tiny_run.config.root), run.version, tiny_run.config.push_dir)
    assert all(
        getattr(lineage, part) is not None
        for part in ("model", "evaluation", "transform_graph", "schema", "statistics", "examples")
    )
    assert lineage.card["export_id"] == run.card["export_id"]
