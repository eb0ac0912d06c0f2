import io
import itertools
import json
from dataclasses import replace

import pytest
from factories import make_run, make_training
from rich.console import Console
from tiny_model import push

from pipeline.config import PipelineConfig
from pipeline.local import view
from pipeline.local.view import RunView, summarise

CONFIG = PipelineConfig(
    "data",
    "runs",
    "pushed",
    make_training("my_model"),
)
FIGURES = {
    "accuracy": 0.9921,
    "accuracy_by_digit": {"0": 0.995, "8": 0.981, "9": 0.983},
    "baseline_accuracy": 0.9931,
}


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances by a second per call."""
    ticks = itertools.count(100)
    monkeypatch.setattr(view.time, "monotonic", lambda: float(next(ticks)))


def progress(step, epoch=1, **more):
    state = {"epoch": epoch, "epochs": 2, "step": step, "steps": 10, "loss": 0.5, "accuracy": 0.875}
    return {"event": "progress", **state, **more}


def shown(renderable, width=120):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def summary(config=CONFIG, width=120, **facts):
    run = make_run(**FIGURES | facts)
    return shown(summarise(run, "/runs/reports/a/report.html", config), width)


def plain(*events):
    console = Console(file=io.StringIO(), width=40)
    with RunView(console) as view:
        for event in events:
            view.show(event)
    return console.file.getvalue().splitlines()


def test_plain_lines_without_a_terminal(clock):
    assert plain(
        {"event": "plan", "components": ["Transform", "Trainer"], "run_id": "r"},
        {"event": "start", "component": "Transform"},
        {"event": "end", "component": "Transform", "state": "cached"},
        {"event": "start", "component": "Trainer"},
        progress(1),
        progress(10, val_loss=0.1, val_accuracy=0.96),
        {"event": "end", "component": "Trainer", "state": "done"},
        {"event": "summary", "anything": "is not for this view"},
    ) == [
        "Loading TensorFlow and TFX ...",
        "Transform: cached",
        # 1 s for the 9 steps since the first report, 10 to go; the line is longer than the window but is not wrapped.
        "Trainer: epoch 1/2  loss 0.5000  accuracy 87.50%  validation 96.00%  0:01 left",
        "Trainer: 3.0 s",
    ]


def test_a_live_table_on_a_terminal(clock):
    view = RunView(Console(file=io.StringIO(), force_terminal=True))
    assert shown(view) == "Loading TensorFlow and TFX ...\n"
    view.show({"event": "plan", "components": ["Transform", "Trainer", "Evaluator"], "run_id": "r"})
    view.show({"event": "start", "component": "Transform"})
    view.show({"event": "end", "component": "Transform", "state": "done"})
    view.show({"event": "start", "component": "Trainer"})
    view.show(progress(5))

    transform, trainer, evaluator = shown(view).splitlines()

    assert transform.split() == ["✓", "Transform", "1.0", "s"]
    assert trainer.startswith("▶")
    assert "epoch 1/2  loss 0.5000  accuracy 87.50%" in trainer
    assert evaluator.split() == ["·", "Evaluator"]


def test_a_narrow_window_shows_the_latest_validation_and_the_time_left_on_a_separate_line(clock):
    for width, lines in ((80, ["accuracy 87.50%", "validation 96.00%  0:01 left"]), (110, ["96.00%  0:01 left"])):
        view = RunView(Console(file=io.StringIO(), force_terminal=True, width=width))
        view.show({"event": "plan", "components": ["Trainer"], "run_id": "r"})
        view.show({"event": "start", "component": "Trainer"})
        view.show(progress(1))
        view.show(progress(10, val_loss=0.1, val_accuracy=0.96))
        view.show(progress(5, epoch=2))

        assert [line.rstrip()[-len(end) :] for line, end in zip(shown(view).splitlines(), lines, strict=True)] == lines


def test_the_live_view_writes_to_the_terminal_and_leaves_the_last_state():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with RunView(console) as view:
        view.show({"event": "plan", "components": ["Transform", "Trainer"], "run_id": "r"})
        view.show({"event": "start", "component": "Transform"})

    last = console.file.getvalue()[-400:]
    assert "✗" in last
    assert "Transform" in last


def test_the_time_left_counts_from_the_start_of_a_resumed_training(clock):
    lines = plain(progress(1, epoch=2), progress(5, epoch=2, val_loss=0.1))

    # 4 steps in a second, 5 to go.
    assert lines[-1].endswith("0:01 left")


def test_the_time_left_never_shows_60_seconds(monkeypatch):
    times = iter([0.0, 53.7])
    monkeypatch.setattr(view.time, "monotonic", lambda: next(times))
    lines = plain(progress(1), progress(10, val_loss=0.1))

    # 53.7 s for 9 steps, 10 to go: 59.67 s.
    assert lines[-1].endswith("  1:00 left")


def test_the_end_of_a_training_shows_no_time_left(clock):
    assert "left" not in plain(progress(1), progress(10, epoch=2, val_loss=0.1))[-1]


def test_the_summary_of_a_push():
    text = summary(version=1763800000, seconds={"Transform": 9.04, "Trainer": 61.5})

    rows = {line.split("  ")[0].strip(): line.rstrip() for line in text.splitlines()}
    assert rows["Model"].endswith("MyModel, 3 epochs, seed 1")
    assert rows["Data"].endswith("53,000 training, 2,000 validation and 10,000 test images (bundled)")
    assert rows["Test accuracy"].endswith("99.21%")
    assert rows["Worst digit"].endswith("8, 98.10%")
    assert rows["Baseline"].endswith("99.31% (the latest earlier blessed model)")
    assert rows["Verdict"].endswith(" blessed")
    assert rows["Pushed"].endswith("version 1763800000, /pushed/1763800000")
    assert rows["Time"].endswith("Trainer 61.5 s, Transform 9.0 s")
    assert "Nothing was pushed" not in text


@pytest.mark.parametrize(
    ("baseline", "text"), [("latest", "none (no earlier blessed model)"), ("none", "none, as requested")]
)
def test_a_missing_baseline_is_explained(baseline, text):
    shown_text = summary(replace(CONFIG, baseline=baseline), baseline_accuracy=None)

    assert text in shown_text
    assert "all cached" in shown_text


def refused(*failures):
    return summary(width=200, blessed=False, failures=failures)


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (
            {"digit": None, "value": 0.9612, "bound": 0.97, "is_change": False},
            "• accuracy 96.12% is below --min-accuracy 97.00%",
        ),
        (
            {"digit": 8, "value": 0.8512, "bound": 0.9, "is_change": False},
            "• digit 8: accuracy 85.12% is below --min-digit-accuracy 90.00%",
        ),
        (
            {"digit": 0, "value": 0.8512, "bound": 0.9, "is_change": False},
            "• digit 0: accuracy 85.12% is below --min-digit-accuracy 90.00%",
        ),
        (
            {"digit": None, "value": -0.0031, "bound": -0.002, "is_change": True},
            "• accuracy is 0.31 points below the baseline's 99.31%; --max-drop allows 0.20",
        ),
    ],
    ids=["overall", "digit", "digit zero", "drop"],
)
def test_a_refusal_names_the_missed_threshold_and_the_next_step(failure, sentence):
    text = refused(failure)

    assert sentence in text
    assert text.count("•") == 1
    assert "not blessed" in text
    assert "Pushed" not in text
    assert "Nothing was pushed: the bot keeps serving its current version. Train longer (--epochs)" in text


def test_failures_come_in_the_order_of_digits():
    text = refused(
        {"digit": 9, "value": 0.5, "bound": 0.9, "is_change": False},
        {"digit": 0, "value": 0.5, "bound": 0.9, "is_change": False},
        {"digit": None, "value": 0.5, "bound": 0.97, "is_change": False},
    )

    assert text.index("--min-accuracy") < text.index("digit 0") < text.index("digit 9")


def test_an_unservable_export_is_reported(tmp_path):
    (tmp_path / "report.json").write_text('{"problem": "LiteRT and serving_images disagree", "misses": []}')
    text = summary(width=200, refused=tmp_path)

    assert "• the bot could not serve it: LiteRT and serving_images disagree" in text
    assert "the export is broken" in text
    assert "--epochs" not in text


def test_brackets_in_a_path_are_not_markup():
    assert "/[red]x/1" in summary(version=1, push_dir="/[red]x")


@pytest.fixture
def repeated(tmp_path):
    """What the end of a run says of its version 1763800000, which an earlier run had pushed, beside a newer one."""
    for version in (1763800000, 1763800100):
        push(tmp_path, version)

    def repeated(version=1763800000, run_id="again"):
        config = replace(CONFIG, push_dir=str(tmp_path))
        text = summary(config, 300, run_id=run_id, version=version, push_dir=tmp_path)
        return {
            line.split("  ")[0].strip(): line.split("  ", 1)[1].strip() for line in text.splitlines() if "  " in line
        }

    return repeated


def test_a_repeated_run_says_that_a_newer_version_is_live(repeated):
    rows = repeated()

    assert rows["Pushed"].endswith("1763800000 (since run run-1763800000)")
    assert rows["Live"] == (
        "version 1763800100 (Ten templates), which is the newest. "
        "To serve this run's version: digits models promote 1763800000"
    )


def test_a_run_says_that_a_pinned_version_is_live(repeated, tmp_path):
    (tmp_path / "pin").write_text("1763800000")
    newer = repeated(1763800100, "run-1763800100")
    assert newer["Pushed"] == f"version 1763800100, {tmp_path}/1763800100"
    assert newer["Live"].startswith(
        "version 1763800000 (Ten templates), which is pinned. To serve this run's version: digits"
    )
    assert repeated()["Live"] == "version 1763800000, pinned"

    (tmp_path / "pin").write_text("7")
    assert "asks for version 7" in repeated()["Live"]
    assert repeated()["Live"].startswith("version 1763800100 (Ten templates). ")


def test_a_run_says_that_it_pushed_a_damaged_version_again(repeated, tmp_path):
    card = tmp_path / "1763800100" / "assets.extra/card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "replaces": 1763800000}))
    newer = repeated(1763800100, "run-1763800100")
    assert newer["Pushed"].endswith("1763800100 (pushed again: version 1763800000 of the same model is damaged)")


def test_a_refused_run_names_the_live_version(repeated):
    assert repeated(version=None)["Live"] == "version 1763800100 (Ten templates), which is the newest"
