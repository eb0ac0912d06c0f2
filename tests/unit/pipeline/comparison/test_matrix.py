"""A comparison, with small programs instead of the pipeline's and the report's processes."""

import io
import json
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from factories import make_run, make_training
from rich.console import Console
from worker_stand_in import replace_workers

from pipeline.comparison.matrix import combine, compare_locally, describe_report
from pipeline.comparison.view import ComparisonView, describe_duration
from pipeline.config import PipelineConfig

REPORT = {
    "conclusions": ["MyModel beats LeNet."],
    "models": [
        {
            "label": "LeNet, 10 epochs",
            "evaluation": {"accuracy": 0.98, "accuracy_by_digit": {"0": 0.99, "8": 0.95}},
            "interval": [0.977, 0.983],
            "published_accuracy": 0.9717,
        }
    ],
}


def parameters(model="lenet", epochs=10, seed=1):
    return make_training(model, epochs=epochs, seed=seed)


@pytest.fixture
def configs(tmp_path):
    return [
        PipelineConfig(
            data=str(tmp_path / "data"),
            root=str(tmp_path / "runs"),
            push_dir="",
            training=parameters(model, epochs),
            thresholds=None,
            baseline="none",
        )
        for model in ("lenet", "my_model")
        for epochs in (10, 40)
    ]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Compares with workers that run the program; returns the exit code and the terminal's text.

    The program has `name`, the model to train; `tell`, which sends an event; and `summarise`, which sends the last one.
    """

    def run(configs, program, *, terminal=False):
        head = f"""
            if target == "workers.child:answer":
                _, (root, run_ids, output, photos, command), _ = connection.recv()
                output.mkdir()
                (output / "report.json").write_text(json.dumps({REPORT!r}))
                (output / "request.json").write_text(json.dumps([run_ids, command]))
                connection.send(output / "report.html")
                return
            training = connection.recv().training
            tell = connection.send
            name = f"{{training.model}}-{{training.epochs}}"
            with open({str(tmp_path / "ran")!r}, "a") as ran:
                ran.write(name + "\\n")
            from factories import make_run
            summarise = lambda: tell({{"event": "summary", "run": make_run(name, seconds={{"Trainer": 20.0}})}})
            """
        replace_workers(monkeypatch, tmp_path, textwrap.dedent(head) + textwrap.dedent(program))
        screen = io.StringIO()
        console = Console(file=screen, width=120, height=40, force_terminal=terminal, color_system=None)
        status = compare_locally(combine(configs), console, tmp_path / "out", photos=[], command="digits compare")
        return status, screen.getvalue(), (tmp_path / "ran").read_text().split()

    return run


def test_every_combination_is_run_and_reported_on(run, configs, tmp_path):
    status, screen, ran = run(configs, "summarise()")

    assert status == 0
    assert ran == ["lenet-10", "lenet-40", "my_model-10", "my_model-40"]
    assert "[2/4] LeNet, 40 epochs" in screen
    assert "MyModel, 40 epochs: 99.00%, 3 of 300 misclassified, 0:0" in screen
    assert json.loads((tmp_path / "out" / "request.json").read_text()) == [ran, "digits compare"]
    assert "MyModel beats LeNet." in screen
    assert screen.endswith(f"Report: {tmp_path / 'out' / 'report.html'}\n")


def test_a_failed_training_does_not_stop_the_others(run, configs, tmp_path):
    status, screen, ran = run(
        configs,
        """
        tell({"event": "plan", "components": ["Trainer"]})
        tell({"event": "start", "component": "Trainer"})
        if name == "lenet-40":
            os.kill(os.getpid(), signal.SIGKILL)
        summarise()
        """,
    )

    assert status == 1
    assert len(ran) == 4
    assert "LeNet, 40 epochs: failed" in screen
    assert "SIGKILL" in screen
    assert "The same command resumes after the last completed component" in " ".join(screen.split())
    assert json.loads((tmp_path / "out" / "request.json").read_text())[0] == [ran[0], *ran[2:]]


def test_above_the_live_matrix_a_failure_is_one_line(run, configs):
    _, screen, _ = run(
        configs[:2],
        """
        tell({"event": "plan", "components": ["Trainer"]})
        tell({"event": "start", "component": "Trainer"})
        if name == "lenet-10":
            tell({"event": "error", "component": "Trainer", "message": "the disk is full"})
            sys.exit(1)
        summarise()
        """,
        terminal=True,
    )

    assert "LeNet, 10 epochs:\n" in screen
    assert "Trainer failed: the disk is full\n" in screen, "what the matrix is drawn below has to end its line"
    assert screen.rindex("✗") < screen.rindex("MyModel beats LeNet.")


def test_a_run_that_fails_before_its_training_ends_the_comparison(run, configs, tmp_path):
    status, screen, ran = run(configs, "tell({'event': 'error', 'component': 'AnomalyGate', 'message': 'bad data'})")

    assert status == 1
    assert ran == ["lenet-10"]
    assert "AnomalyGate failed: bad data" in screen
    assert not (tmp_path / "out").exists()


def test_an_interrupt_ends_the_comparison(run, configs, monkeypatch):
    def interrupt(view, event):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.comparison.view.CombinationView.show", interrupt)
    status, screen, ran = run(configs, "tell({'event': 'start'}); signal.pause()")

    assert status == 130
    assert len(ran) == 1
    assert "the same command resumes after the last completed component" in screen.replace("\n", " ").lower()
    assert "LeNet, 10 epochs: interrupted, 0:0" in screen


def test_an_interrupts_message_comes_last_on_a_terminal(run, configs, monkeypatch):
    def interrupt(view, event):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.comparison.view.CombinationView.show", interrupt)
    _, screen, _ = run(configs, "tell({'event': 'start'}); signal.pause()", terminal=True)

    assert screen.rindex("MyModel, 40 epochs") < screen.rindex("Interrupted.")
    assert screen.endswith("resumes after the last completed component.\n")


def test_an_interrupt_while_the_report_is_written_is_130(run, configs, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.comparison.matrix.write_report_in_child", interrupt)
    status, screen, _ = run(configs, "summarise()")

    assert status == 130
    assert screen.endswith("Interrupted. The models are kept: the same command writes the report.\n")


def test_no_push_folder_is_created(run, configs, tmp_path):
    run([replace(config, push_dir=str(tmp_path / "pushed")) for config in configs], "summarise()")

    assert not (tmp_path / "pushed").exists()


def test_labels_name_the_seed_if_there_are_several(configs):
    assert list(combine(configs))[1] == "LeNet, 40 epochs"
    seeds = [replace(configs[0], training=parameters(epochs=1, seed=seed)) for seed in (1, 2)]
    assert list(combine(seeds)) == ["LeNet, 1 epoch, seed 1", "LeNet, 1 epoch, seed 2"]


def test_the_last_table_has_the_figures(capsys):
    Console(width=120).print(describe_report(REPORT))

    shown = " ".join(capsys.readouterr().out.split())
    assert "LeNet, 10 epochs 98.00% 97.70% to 98.30% 97.17% 8: 95.00%" in shown
    assert "MyModel beats LeNet." in shown


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("pipeline.comparison.view.time.monotonic", clock)
    monkeypatch.setattr("pipeline.local.view.time.monotonic", clock)
    return clock


def matrix(known=(), trained=()):
    combinations = {"a": parameters(epochs=10), "b": parameters(epochs=40), "c": parameters("my_model", 10)}
    return ComparisonView(
        Console(file=io.StringIO(), force_terminal=True),
        combinations,
        seconds_per_epoch=dict(known),
        trained=trained,
    )


def test_without_earlier_runs_there_is_no_forecast(clock):
    assert matrix().seconds_left() is None


def test_the_forecast_comes_from_earlier_trainings(clock):
    assert matrix({"lenet": 2, "my_model": 5}).seconds_left() == 10 * 2 + 40 * 2 + 10 * 5
    assert matrix({"lenet": 2}).seconds_left() == 10 * 2 + 40 * 2 + 10 * 2, "an unknown network counts like the others"
    assert matrix({"lenet": 2, "my_model": 5}, trained=["b"]).seconds_left() == 10 * 2 + 10 * 5


def test_the_forecast_learns_from_finished_runs(clock):
    view = matrix()
    view.begin("a")
    clock.now = 50.0
    view.end("a", make_run(seconds={"Trainer": 30.0}))

    assert view.seconds_left() == 20 + 40 * 3 + 20 + 10 * 3


def test_the_forecast_follows_the_current_training(clock):
    view = matrix({"lenet": 2, "my_model": 5}, trained=["c"])
    running = view.begin("a")
    running.show({"event": "plan", "components": ["Trainer"]})
    running.show({"event": "start", "component": "Trainer"})
    progress = {"event": "progress", "epochs": 10, "steps": 10, "loss": 1.0, "accuracy": 0.5}
    running.show({**progress, "epoch": 1, "step": 10})
    clock.now = 9.0
    running.show({**progress, "epoch": 4, "step": 10})

    assert view.seconds_left() == pytest.approx(6 * 3 + 40 * 2), "3 s an epoch, 6 epochs to go"


def test_the_matrix_shows_states_results_and_time_left(clock):
    view = matrix({"lenet": 60, "my_model": 60}, trained=["c"])
    view.begin("a")
    view.end("a", make_run())
    view.begin("b")
    screen = io.StringIO()
    Console(file=screen, width=100).print(view)

    shown = screen.getvalue()
    assert "99.00%, 3 of 300 misclassified" in shown
    assert "trained already" in shown
    assert "About " in shown
    assert shown.index("✓") < shown.index("▶") < shown.index("·")
    assert "About " not in lines_of(view, closed=True)[-1]


def lines_of(view, height=25, *, closed=False):
    if closed:
        view.close()
    console = Console(file=io.StringIO(), width=80, height=height)
    console.print(view)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("height", [40, 24, 12])
def test_a_low_window_shows_the_current_training_and_the_time_left(clock, height):
    """Rich cuts off lines below the window."""
    combinations = {f"seed {seed}": parameters(seed=seed) for seed in range(12)}
    screen = Console(file=io.StringIO(), force_terminal=True, width=80)
    view = ComparisonView(screen, combinations, seconds_per_epoch={"lenet": 60}, trained=())
    view.begin("seed 0")
    view.end("seed 0", make_run())
    running = view.begin("seed 7")
    running.show_log(Path("/runs/logs/a.log"))
    assert screen.file.getvalue() == "", "a line for each of them would push the matrix down"
    components = ["MnistExampleGen", *(f"component {number}" for number in range(10)), "Trainer"]
    running.show({"event": "plan", "components": components})
    running.show({"event": "start", "component": "Trainer"})
    running.show({"event": "progress", "epochs": 10, "steps": 9, "epoch": 1, "step": 1, "loss": 1.0, "accuracy": 0.5})
    lines = lines_of(view, height)

    assert len(lines) <= height
    text = "\n".join(lines)
    assert "▶  seed 7" in text
    assert "epoch 1/10" in text
    assert lines[-2].startswith("About ")
    assert lines[-1] == "Log: /runs/logs/a.log"
    assert ("MnistExampleGen" in text) == (height == 40)
    assert ("Trainer, 12 of 12" in text) == (height < 40)
    assert ("5 more above" in text) == (height == 12)
    assert [line.split()[1:3] for line in lines_of(view, height, closed=True)] == [
        ["seed", str(seed)] for seed in range(12)
    ]


@pytest.mark.parametrize(("seconds", "text"), [(3, "0:03"), (62.4, "1:02"), (3723, "1:02:03")])
def test_durations(seconds, text):
    assert describe_duration(seconds) == text
