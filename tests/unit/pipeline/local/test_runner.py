"""The parent process of a run, with small programs instead of the pipeline's process."""

import json
import re
import signal
import sqlite3
import textwrap
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from factories import make_training
from filelock import FileLock
from rich.console import Console
from worker_stand_in import replace_workers

from pipeline.config import PipelineConfig
from pipeline.local.runner import run_locally
from workers import UserError

MISSED = {"digit": None, "value": 0.5, "bound": 0.97, "is_change": False}


@pytest.fixture
def config(tmp_path):
    training = make_training("my_model")
    return PipelineConfig(str(tmp_path / "data"), str(tmp_path / "runs"), str(tmp_path / "pushed"), training)


@pytest.fixture
def run(tmp_path, config, monkeypatch):
    """Runs with a worker that executes the program; returns the exit code and the terminal's text.

    The program has `config`, which it was sent, `tell`, which sends an event, and `finished`, the last event of a push.
    """
    last = "{'event': 'summary', 'run': make_run(version=17), 'report': '/runs/reports/a/report.html'}"

    def run(program, *, reads=True, config=config, verbose=False):
        head = "config = connection.recv()\n" if reads else ""
        head += f"from factories import make_run\ntell, finished = connection.send, {last}\n"
        replace_workers(monkeypatch, tmp_path, head + textwrap.dedent(program))
        with (tmp_path / "screen").open("w") as screen:
            try:
                status = run_locally(config, Console(file=screen, width=40), verbose=verbose)
            except UserError as error:  # like the command
                print(error, file=screen)
                status = 1
        return status, (tmp_path / "screen").read_text()

    return run


def log_of(config):
    (log,) = (Path(config.root) / "logs").iterdir()
    return log


def test_the_exit_code_of_a_push_is_0(run, config):
    status, screen = run("tell(finished)")

    assert status == 0
    assert screen.splitlines()[0] == f"Log: {log_of(config)}", "in one line, however long"
    assert "version 17, /pushed/17" in " ".join(screen.split())


def test_the_child_gets_the_configuration_and_its_output_goes_to_the_log(run, config, capfd):
    status, screen = run("print(config); print('noise', file=sys.stderr, flush=True); tell(finished)")

    assert status == 0
    assert capfd.readouterr() == ("", "")
    assert "noise" not in screen
    sent, noise = sorted(log_of(config).read_text().splitlines(), key=len, reverse=True)
    assert sent == str(config)
    assert noise == "noise"


def test_verbose_shows_and_logs_all_output(run, config, capfd):
    status, _ = run("tell(finished); print('much noise\\n' * 50_000, end='', flush=True)", verbose=True)

    assert status == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err == log_of(config).read_text() == "much noise\n" * 50_000


def test_not_blessed_is_3_with_the_reason(run):
    status, screen = run(f"tell({{**finished, 'run': make_run(blessed=False, failures=[{MISSED!r}])}})")

    assert status == 3
    assert "accuracy 50.00% is below --min-accuracy 97.00%" in " ".join(screen.split())


@pytest.mark.parametrize(("component", "start"), [("Transform", "Transform failed: "), (None, "The pipeline failed: ")])
def test_an_error_is_1_with_one_line(run, config, component, start):
    error = {"event": "error", "component": component, "message": "images[0] is [bold]wrong[/bold]"}
    status, screen = run(f"tell({error!r}); sys.exit(1)")

    assert status == 1
    assert f"{start}images[0] is [bold]wrong[/bold]\n" in screen
    assert screen.endswith(f"The same command resumes after the last completed component. Details: {log_of(config)}\n")


def test_a_child_that_fails_without_a_result_is_1(run):
    status, screen = run("tell({'event': 'plan', 'components': ['Transform']}); sys.exit(7)")

    assert status == 1
    assert "The pipeline's process ended with status 7." in " ".join(screen.split())
    assert "The same command resumes after" in screen


def test_a_child_that_ends_with_0_but_without_a_result_is_1(run):
    status, _ = run("")

    assert status == 1


def test_a_child_that_ends_before_it_reads_its_configuration_is_1(run, config):
    more_than_a_pipe_holds = replace(config, data="x" * 300_000)
    status, screen = run("sys.exit(7)", reads=False, config=more_than_a_pipe_holds)

    assert status == 1
    assert "ended with status 7" in " ".join(screen.split())


@pytest.mark.parametrize(("number", "memory"), [(signal.SIGKILL, True), (signal.SIGSEGV, False)])
def test_a_killed_child_is_1_and_the_signal_is_named(run, number, memory):
    status, screen = run(
        f"""
        tell({{"event": "plan", "components": ["Transform"]}})
        tell({{"event": "start", "component": "Transform"}})
        os.kill(os.getpid(), {int(number)})
        """
    )

    text = " ".join(screen.split())
    assert status == 1
    assert f"was ended by signal {int(number)} ({number.name})." in text
    assert ("memory may have run out" in text) == memory


def test_a_truncated_event_is_ignored(run):
    status, screen = run(
        """
        tell({"event": "plan", "components": ["Transform"]})
        connection._send((1000).to_bytes(4, "big") + b"half an event")
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )

    assert status == 1
    assert "was ended by signal 9 (SIGKILL)." in " ".join(screen.split())


def test_looking_at_the_lock_does_not_block_a_run(run, config):
    Path(config.root).mkdir()
    lock = FileLock(Path(config.root) / ".lock", thread_local=False)
    lock.acquire()
    threading.Timer(0.3, lock.release).start()

    assert run("tell(finished)")[0] == 0


def test_events_before_a_failure_are_shown(run):
    _, screen = run(
        """
        tell({"event": "plan", "components": ["Transform", "Trainer"]})
        tell({"event": "start", "component": "Transform"})
        tell({"event": "end", "component": "Transform", "state": "cached"})
        tell({"event": "error", "component": "Trainer", "message": "broken"})
        """
    )

    assert "Transform: cached\n" in screen


def test_an_interrupt_is_130_and_ends_the_child(run, tmp_path, monkeypatch):
    def interrupt(view, event):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.local.runner.RunView.show", interrupt)
    status, screen = run(
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); tell({{'event': 'start'}}); time.sleep(60)"
    )

    assert status == 130
    assert "Interrupted. The same command resumes after" in " ".join(screen.split())
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


def test_a_second_run_in_the_same_root_is_a_one_line_error(run, config):
    Path(config.root).mkdir()
    with FileLock(Path(config.root) / ".lock"):
        status, screen = run("tell(finished)")

    assert status == 1
    assert f"Another run is using {config.root}." in screen.replace("\n", "")
    assert list((Path(config.root) / "logs").iterdir()) == []


def test_brackets_in_paths_are_not_markup(run, config, tmp_path):
    root = str(tmp_path / "[red]runs")
    status, screen = run("sys.exit(7)", config=replace(config, root=root))

    assert status == 1
    assert screen.count(f"{root}/logs/") == 2


def test_an_unusable_push_folder_is_reported_first(run, config):
    Path(config.push_dir).write_text("a file")
    status, screen = run("tell(finished)")

    assert status == 1
    assert screen == f"{config.push_dir} cannot be used (File exists). Fix that, or choose another --push-dir.\n"


@pytest.mark.parametrize("option", ["root", "push_dir"])
def test_a_read_only_folder_is_reported_first(run, config, option):
    """/dev/fd is a folder in which not even root can make a file."""
    status, screen = run("raise SystemExit('started')", config=replace(config, **{option: "/dev/fd"}))
    assert status == 1
    flag = f"--{option.replace('_', '-')}"
    assert re.fullmatch(rf"/dev/fd cannot be used \([\w -]+\)\. Fix that, or choose another {flag}\.\n", screen)


def test_another_programs_database_is_reported_first_and_unchanged(run, config):
    Path(config.root).mkdir()
    database = Path(config.root) / "metadata.sqlite"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = database.read_bytes()
    status, screen = run("tell(finished)")

    assert status == 1
    assert screen.endswith(f"{database} is not an ML Metadata database. Name another folder with --root.\n")
    assert database.read_bytes() == before


def test_an_empty_database_is_new(run, config):
    Path(config.root).mkdir()
    (Path(config.root) / "metadata.sqlite").touch()

    assert run("tell(finished)")[0] == 0


def test_an_unusable_root_is_a_one_line_error(run, config):
    Path(config.root).write_text("a file")
    status, screen = run("tell(finished)")

    assert status == 1
    assert screen == f"{config.root} cannot be used (Not a directory). Fix that, or choose another --root.\n"


CLUSTER = {"chief": ["10.0.0.1:2222"], "worker": ["10.0.0.2:2222", "10.0.0.3:2222"]}


@pytest.mark.parametrize(
    ("tf_config", "sentence"),
    [
        (json.dumps({"cluster": CLUSTER, "task": {"type": "chief", "index": 0}}), "TF_CONFIG names 3 machines, but"),
        ("", "TF_CONFIG is not a JSON object with a cluster: unset it."),
        ('["chief"]', "TF_CONFIG is not a JSON object with a cluster: unset it."),
        ('{"cluster": {"worker": 2}}', "TF_CONFIG is not a JSON object with a cluster: unset it."),
    ],
)
def test_an_unusable_cluster_is_reported_first(run, config, tmp_path, monkeypatch, tf_config, sentence):
    monkeypatch.setenv("TF_CONFIG", tf_config)
    status, screen = run("tell(finished)")

    assert status == 1
    assert screen.startswith(sentence)
    assert screen.count("\n") == 1
    assert not Path(config.root).exists()
    assert not Path(config.push_dir).exists()


@pytest.mark.parametrize("cluster", [{}, {"worker": ["localhost:2222"]}, {"chief": ["a:1"], "evaluator": ["b:1"]}])
def test_a_cluster_of_one_runs(run, monkeypatch, cluster):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster}))

    assert run("tell(finished)")[0] == 0
