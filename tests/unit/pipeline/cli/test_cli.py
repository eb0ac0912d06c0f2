import json
import os
import re
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.recipe import TRAINING_SETTINGS, Training
from models.settings import settings_of
from pipeline.cli import app
from pipeline.cli.options import DEFAULT_MODEL
from pipeline.config import PipelineConfig, Thresholds
from pipeline.data.files import DataError

KINDS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
MNIST = tuple(f"{kind}-ubyte.gz" for kind in KINDS)

SETTINGS = [*TRAINING_SETTINGS.values(), *settings_of(Thresholds).values()]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIGITS_DATA", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "environment", "folder"),
    [
        ([], {}, "runs/data"),
        ([], {"DIGITS_DATA": "from_environment"}, "from_environment"),
        (["--dest", "from_option"], {"DIGITS_DATA": "from_environment"}, "from_option"),
    ],
)
def test_data_goes_to_the_folder_of_option_variable_or_default(here, options, environment, folder):
    done = CliRunner().invoke(app, ["data", "--source", "bundled", *options], env=environment)

    assert done.exit_code == 0, done.output
    assert json.loads((here / folder / "source.json").read_text())["source"] == "bundled"
    assert all((here / folder / name).is_file() for name in MNIST)
    assert sorted(path.name for path in here.iterdir()) == [folder.split("/", maxsplit=1)[0]]


def test_data_reports_a_failure_in_one_line(here):
    (here / MNIST[0]).write_bytes(b"my own")

    done = CliRunner().invoke(app, ["data", "--dest", "."])

    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {MNIST[0]} was not made by `digits data`")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_data_rejects_an_unknown_source(here):
    done = CliRunner().invoke(app, ["data", "--source", "nowhere"])

    assert done.exit_code == 2
    assert list(here.iterdir()) == []


def test_a_report_is_written_right_after_the_data(here):
    done = CliRunner().invoke(app, ["data", "--source", "bundled", "--report", "page.html"])

    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "page.html: written, no anomalies. Open it in a browser."
    assert "train: 53,000 examples" in (here / "page.html").read_text(encoding="utf-8")


def test_a_report_on_the_users_own_files(here, tiny_mnist):
    done = CliRunner().invoke(app, ["data", "--dest", str(tiny_mnist), "--report", "page.html"])

    assert done.exit_code == 0, done.output
    assert "train: 1,000 examples" in (here / "page.html").read_text(encoding="utf-8")


def test_a_report_on_damaged_files_is_a_one_line_error(here, write_mnist, some_training_images, some_test_images):
    path = write_mnist(here / "own", some_training_images, some_test_images) / MNIST[0]
    path.write_bytes(path.read_bytes()[:-1000])

    done = CliRunner().invoke(app, ["data", "--dest", "own", "--report", "page.html"])

    assert done.exit_code == 1
    assert re.fullmatch(rf"Error: own/{MNIST[0]}, offset \d+: the gzip stream is cut short\n", done.stderr)
    assert not (here / "page.html").exists()


def test_a_report_cannot_be_a_folder(here):
    assert CliRunner().invoke(app, ["data", "--report", "."]).exit_code == 2
    assert list(here.iterdir()) == []


@pytest.fixture
def configured(here, monkeypatch):
    """Calls `digits run` without running anything; returns its PipelineConfig."""
    for name in os.environ:
        if name.startswith("DIGITS_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("pipeline.data.store.fetch_if_absent", lambda folder, console: None)
    calls = []

    def run_locally(config, console, *, prepare, verbose):
        prepare()
        calls.append((config, verbose))
        return 3

    monkeypatch.setattr("pipeline.local.runner.run_locally", run_locally)

    def configured(*options, verbose=False, **environment):
        done = CliRunner().invoke(app, ["run", *options], env=environment)
        assert done.exit_code == 3, done.output
        config, was_verbose = calls.pop()
        assert was_verbose == verbose
        return config

    return configured


def test_run_has_defaults(configured, here):
    config = configured()

    assert config == PipelineConfig(
        data=str(here / "runs" / "data"),
        root=str(here / "runs"),
        push_dir=str(here / "serving_model"),
        training=Training.choose("my_model", {}),
        command=config.command,
    )


def test_the_models_recipe_is_the_default(configured):
    training = configured("--model", "lenet").training

    assert (training.recipe.learning_rate, training.recipe.drawn_digits, training.recipe.weight_decay) == (6e-3, 8, 0)


@pytest.mark.parametrize(
    ("name", "by_option", "by_environment", "default", "find"),
    [
        ("model", "lenet", "lenet", "my_model", lambda config: config.training.model),
        ("baseline", "none", "none", "latest", lambda config: config.baseline),
        ("root", "/a", "/b", None, lambda config: config.root),
        ("data", "/a", "/b", None, lambda config: config.data),
        ("push-dir", "/a", "/b", None, lambda config: config.push_dir),
    ],
)
def test_options_override_variables_and_variables_override_defaults(
    configured, name, by_option, by_environment, default, find
):
    environment = {"DIGITS_" + name.upper().replace("-", "_"): str(by_environment)}

    assert find(configured(f"--{name}", str(by_option), **environment)) == by_option
    assert find(configured(**environment)) == by_environment
    if default is not None:
        assert find(configured()) == default


@pytest.mark.parametrize("known", SETTINGS, ids=lambda known: known.name)
def test_every_declared_setting_has_an_option_and_a_variable(configured, known):
    def find(config):
        values = config.training.to_config() | asdict(config.thresholds)
        return values[known.name]

    default = known.default_for(DEFAULT_MODEL)
    one, other = (True, False) if known.kind is bool else (known.kind(known.minimum or 0), known.kind(1))
    option = [f"--{known.option}"] if known.kind is bool else [f"--{known.option}", str(one)]

    assert find(configured()) == default
    assert find(configured(*option)) == one
    assert find(configured(*option, **{known.variable: str(other)})) == one
    assert find(configured(**{known.variable: str(other)})) == other


@pytest.mark.parametrize(
    ("options", "environment", "augment"),
    [
        ([], {}, True),
        ([], {"DIGITS_AUGMENT": "0"}, False),
        (["--augment"], {"DIGITS_AUGMENT": "0"}, True),
        (["--no-augment"], {"DIGITS_AUGMENT": "1"}, False),
    ],
)
def test_augmentation_can_be_switched_off(configured, options, environment, augment):
    assert configured(*options, **environment).training.recipe.augment == augment


def test_switches(configured):
    assert configured().enable_cache
    assert not configured("--no-cache").enable_cache
    configured("-v", verbose=True)


def test_data_is_in_the_root_by_default(configured):
    assert configured("--root", "/elsewhere").data == "/elsewhere/data"


def test_root_data_and_push_folder_may_be_addresses(configured):
    config = configured("--root", "gs://bucket/digits/", "--push-dir", "gs://bucket/pushed")

    assert (config.root, config.data, config.push_dir) == (
        "gs://bucket/digits",
        "gs://bucket/digits/data",
        "gs://bucket/pushed",
    )


def test_execution_and_beam_options_reach_the_configuration(configured):
    config = configured("--train-memory", "64", "--no-mixed-precision", "--xla", "--beam-workers", "2")

    execution = config.training.execution
    assert (execution.memory_mib, execution.mixed_precision, execution.xla) == (64, False, True)
    assert "--direct_num_workers=2" in config.beam_args
    assert configured("--beam-arg=--no_auth").beam_args[-1] == "--no_auth"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--beam-runner", "dataflow"], "--root"),
        (["--beam-runner", "flink", "--root", "gs://b/r"], "--flink_master"),
        (["--beam-arg=--projekt=x"], "no option --projekt"),
    ],
)
def test_unsuitable_beam_options_are_a_one_line_error(here, options, named):
    done = CliRunner().invoke(app, ["run", *options])

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert named in done.stderr
    assert list(here.iterdir()) == []


def test_unavailable_data_is_a_one_line_error(here, monkeypatch):
    def fail(folder, console):
        raise DataError("No mirror answered.")

    monkeypatch.setattr("pipeline.data.store.fetch_if_absent", fail)
    done = CliRunner().invoke(app, ["run"])

    assert done.exit_code == 1
    assert done.stderr == "Error: No mirror answered.\n"


@pytest.mark.parametrize(
    ("options", "environment", "named"),
    [
        (["--model", "alexnet"], {}, "lenet or my_model"),
        ([], {"DIGITS_MODEL": "alexnet"}, "lenet or my_model"),
        (["--epochs", "0"], {}, "--epochs"),
        (["--epochs", "many"], {}, "--epochs"),
        ([], {"DIGITS_EPOCHS": "0"}, "DIGITS_EPOCHS"),
        (["--batch-size", "0"], {}, "--batch-size"),
        (["--learning-rate", "0"], {}, "--learning-rate"),
        (["--seed", "-1"], {}, "--seed"),
        (["--min-accuracy", "97"], {}, "--min-accuracy"),
        (["--max-drop", "-0.1"], {}, "--max-drop"),
        (["--baseline", "best"], {}, "--baseline"),
        (["--colour", "red"], {}, "--colour"),
    ],
)
def test_wrong_usage_is_2_and_names_the_cause(here, options, environment, named):
    done = CliRunner().invoke(app, ["run", *options], env={**environment, "COLUMNS": "200"})

    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.output
    assert named in done.stderr
    assert list(here.iterdir()) == []
