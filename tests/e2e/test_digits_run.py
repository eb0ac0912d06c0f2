"""`digits run` as users call it: options, terminal output, exit code."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

DIGITS = [sys.executable, "-m", "pipeline.cli"]


@pytest.fixture
def command(tiny_run):
    """The tiny run's command line, so its finished components come from the cache; `changes` override options."""

    def command(**changes):
        config = tiny_run.config
        options = {
            "model": config.training.model,
            "epochs": config.training.epochs,
            "seed": config.training.seed,
            "min-accuracy": config.thresholds.min_accuracy,
            "min-digit-accuracy": config.thresholds.min_digit_accuracy,
            "min-pages-accuracy": config.thresholds.min_pages_accuracy,
            "min-refusal": config.thresholds.min_refusal,
            "max-pictures-drop": config.thresholds.max_pictures_drop,
            "max-drop": config.thresholds.max_drop,
            "root": config.root,
            "data": config.data,
            "push-dir": config.push_dir,
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        return [*DIGITS, "run", *(part for name, value in options.items() for part in (f"--{name}", str(value)))]

    return command


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=400, **options)


def versions(push_dir):
    return sorted(int(path.parent.name) for path in Path(push_dir).glob("*/saved_model.pb"))


def card(push_dir, version):
    return json.loads((Path(push_dir) / str(version) / "assets.extra" / "card.json").read_text())


def assert_quiet(done):
    """The output has only the program's own messages."""
    assert done.stderr == ""
    assert "Traceback" not in done.stdout
    assert "Warning" not in done.stdout


def test_a_run_pushes_the_version_it_names(tiny_run):
    finished = tiny_run.run
    assert versions(tiny_run.config.push_dir)[0] == finished.version
    assert finished.destination == f"{tiny_run.config.push_dir}/{finished.version}"
    assert finished.figures["examples"] == 300
    assert finished.figures["blessed"]
    assert finished.figures["baseline_accuracy"] is None
    assert 0 <= finished.figures["calibration_error"] <= 1
    assert set(finished.figures["accuracy_by_digit"]) == set("0123456789")
    pushed = card(tiny_run.config.push_dir, finished.version)
    assert pushed["metrics"]["test_accuracy"] == finished.figures["accuracy"]
    assert pushed["run_id"] == finished.run_id
    page = Path(tiny_run.report).read_text(encoding="utf-8")
    assert tiny_run.config.command in page


def test_repeating_the_command_uses_the_cache_and_pushes_nothing(tiny_run, command):
    before = versions(tiny_run.config.push_dir)
    done = run(command())
    assert done.returncode == 0, done.stdout + done.stderr
    assert_quiet(done)
    ran = re.findall(r"^(\w+): (?!cached)[\d.]+ s$", done.stdout, re.MULTILINE)
    assert ran == ["Baseline", "VersionedPusher"], "the one resolves, the other looks into the push folder"
    assert done.stdout.count(": cached") == 10
    assert versions(tiny_run.config.push_dir) == before
    assert f"version {tiny_run.run.version}" in done.stdout


def test_the_pushed_model_reads_the_sample_picture(tiny_run):
    sample = Path(__file__).parents[2] / "docs" / "sample" / "digit.jpg"
    done = run([*DIGITS, "predict", str(sample), f"--push-dir={tiny_run.config.push_dir}"])
    assert done.returncode == 0, done.stderr
    assert_quiet(done)
    assert re.fullmatch(
        rf"{re.escape(str(sample))}: (\d{{4}} \(\d+\.\d%\)|not sure: .*, perhaps \d{{4}})\n", done.stdout
    )


def test_another_model_reuses_the_data_and_becomes_a_newer_version(tiny_run, command, tmp_path):
    # (with so little data it learns just enough for the bot's canary digits)
    plain = [*command(model="lenet", epochs=40, batch_size=16, outliers=0, drawn_digits=0), "--no-augment"]
    done = run(plain)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_quiet(done)
    for component in ("MnistExampleGen", "StatisticsGen", "Transform"):
        assert f"{component}: cached" in done.stdout
    assert "epoch 40/40  loss" in done.stdout
    newest = versions(tiny_run.config.push_dir)[-1]
    assert newest > tiny_run.run.version
    assert card(tiny_run.config.push_dir, newest)["model"] == "lenet"
    accuracy = tiny_run.run.figures["accuracy"]
    assert f"{accuracy:.2%} (the latest earlier blessed model)" in done.stdout


def test_an_unblessed_model_is_not_pushed_and_the_reason_is_shown(tiny_run, command, tmp_path):
    done = run(command(push_dir=tmp_path / "to", min_accuracy=0.9999, min_digit_accuracy=0.999))
    assert done.returncode == 3, done.stdout + done.stderr
    assert_quiet(done)
    assert "not blessed" in done.stdout
    assert re.search(r"accuracy \d+\.\d\d% is below --min-accuracy 99\.99%", done.stdout)
    assert re.search(r"digit \d: accuracy \d+\.\d\d% is below --min-digit-accuracy 99\.90%", done.stdout)
    assert "Nothing was pushed" in done.stdout
    assert versions(tmp_path / "to") == []


def test_damaged_data_is_a_one_line_error(command, tmp_path, write_mnist, some_training_images, some_test_images):
    folder = write_mnist(tmp_path / "data", some_training_images, some_test_images)
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1000])
    done = run(command(data=folder))
    assert done.returncode == 1
    assert_quiet(done)
    line = next(line for line in done.stdout.splitlines() if "failed" in line)
    assert line.startswith(f"MnistExampleGen failed: {path}, offset ")
    assert "cut short" in line
    assert "Transform" not in done.stdout


def test_wrong_usage_is_exit_code_2(command):
    for change in ({"model": "alexnet"}, {"epochs": 0}, {"min_accuracy": 2}, {"baseline": "best"}):
        assert run(command(**change)).returncode == 2, change


def test_a_second_run_in_the_root_is_refused(tiny_run, command):
    with FileLock(Path(tiny_run.config.root) / ".lock"):
        done = run(command())
    assert done.returncode == 1
    assert "Another run is using" in done.stderr


def test_a_killed_trainer_resumes_after_its_last_epoch(command, tmp_path):
    line = command(push_dir=tmp_path / "to", seed=5, epochs=40)
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as running:
        for text in running.stdout:
            if match := re.search(r"epoch (\d+)/40", text):
                killed_in = int(match[1])
                if killed_in >= 3:
                    os.kill(child_of(running.pid), signal.SIGKILL)
                    break
        rest = running.stdout.read()
    assert running.returncode == 1
    assert "SIGKILL" in rest
    assert "The same command resumes after the last completed component" in rest
    done = run(line)
    assert done.returncode == 0, done.stdout + done.stderr
    epochs = [int(number) for number in re.findall(r"epoch (\d+)/40", done.stdout)]
    assert epochs[0] >= killed_in
    assert epochs == list(range(epochs[0], 41))
    assert len(versions(tmp_path / "to")) == 1


def test_a_killed_pusher_leaves_no_version_and_the_next_run_pushes(tiny_run, command, tmp_path):
    config = replace(tiny_run.config, push_dir=str(tmp_path / "to"))
    program = """
        import os, pickle, signal, sys
        from components import versioned_pusher
        from pipeline.local.execution import run

        # All but saved_model.pb is copied when the kill comes.
        versioned_pusher.io_utils.copy_file = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        run(pickle.loads(bytes.fromhex(sys.argv[1])))
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), pickle.dumps(config).hex()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    (half,) = (found for found in (tmp_path / "to").iterdir() if found.name.isdigit())
    assert (half / "variables").is_dir()
    assert versions(tmp_path / "to") == []
    done = run(command(push_dir=tmp_path / "to"))
    assert done.returncode == 0, done.stdout + done.stderr
    (version,) = versions(tmp_path / "to")
    assert version > int(half.name)
    assert f"version {version}" in done.stdout


def test_an_interrupt_ends_the_run_cleanly(command, tmp_path):
    line = command(push_dir=tmp_path / "to", seed=6, epochs=500)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        for text in running.stdout:
            if "epoch 1/500" in text:
                break
        child = child_of(running.pid)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Interrupted. The same command resumes after" in out
    assert err == ""
    assert not is_running(child)


def test_a_killed_run_leaves_no_process_running(command, tmp_path):
    """Otherwise the next run would start in the same root."""
    line = command(push_dir=tmp_path / "to", seed=7, epochs=500)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        for text in running.stdout:
            if text.startswith("MnistExampleGen: "):
                break
        child = child_of(running.pid)
        running.kill()
    assert not is_running(child)


def child_of(pid):
    """The pipeline's process, a child of `digits run`."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def is_running(pid):
    for _ in range(50):
        if not Path(f"/proc/{pid}").exists():
            return False
        time.sleep(0.1)
    return True
