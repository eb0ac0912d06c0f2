"""`digits` without arguments, in folders with different contents."""

import json

import pytest
import tiny_model
import typer
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import METADATA_FILE


@pytest.fixture
def ask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIGITS_ROOT", raising=False)
    monkeypatch.delenv("DIGITS_PUSH_DIR", raising=False)

    def ask(*arguments):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        return done.output

    return ask


def test_an_empty_folder_needs_a_run(ask):
    text = ask()
    assert text.startswith("No model here yet.")
    assert "digits run " in text
    assert "digits bot" not in text


def test_runs_without_a_push_lead_to_runs_show(ask, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / METADATA_FILE).touch()
    text = ask()
    assert text.startswith("There are runs in runs, but no pushed model")
    assert "digits runs show RUN" in text


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_live_model_leads_to_the_page_and_the_bot(ask, tmp_path, monkeypatch, elsewhere):
    folder = tmp_path / ("models" if elsewhere else "serving_model")
    tiny_model.push(folder, 1763800000)
    if elsewhere:
        monkeypatch.setenv("DIGITS_PUSH_DIR", str(folder))
    text = ask()
    assert text.startswith("Version 1763800000 is live: ")
    assert "digits predict photo.jpg" in text


def test_an_unreadable_pin_causes_no_traceback(ask, tmp_path):
    (tmp_path / "serving_model").write_text("a file")
    assert "digits run" in ask()


def test_every_command_has_an_example_and_a_group(ask):
    text = ask("--help")
    assert {"Train and compare", "Read digits", "Runs and models"} <= {line.strip("╭╮─ ") for line in text.splitlines()}
    for command in ("run", "compare", "report", "data", "predict", "serve", "bot", "evaluate-photos", "tensorboard"):
        assert f"digits {command}" in ask(command, "--help").split("Example:")[1]


def test_help_pages_fit_80_columns_without_cutting_words(ask):
    pages = [[]]
    for path in pages:
        command = typer.main.get_command(app)
        for name in path:
            command = command.commands[name]
        pages += [[*path, name] for name in getattr(command, "commands", ())]
        assert "…" not in ask(*path, "--help"), path

    assert len(pages) > 30


def test_a_card_without_figures_causes_no_traceback(ask, tmp_path):
    """(a model that was pushed by hand)"""
    folder = tiny_model.push(tmp_path / "serving_model", 1763800000)
    card = folder / "assets.extra" / "card.json"
    card.write_text(
        json.dumps({name: value for name, value in json.loads(card.read_text()).items() if name != "metrics"})
    )
    assert ask().startswith("Version 1763800000 is live: Ten templates")
