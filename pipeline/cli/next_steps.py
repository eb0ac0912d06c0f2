"""What `digits` without arguments prints: the state of this folder, and what to do next."""

from __future__ import annotations

from rich.table import Table

from pipeline.config import METADATA_FILE, state_folder
from serving_bot.versions.folder import NoPushedModelError, PushFolderError
from serving_bot.versions.registry import asked_for


def describe_next_steps(root: str, push_dir: str) -> tuple[str, Table]:
    """The folder's state in a sentence, and a table of commands. Neither folder need exist."""
    has_runs = (state_folder(root) / METADATA_FILE).exists()
    steps = Table.grid(padding=(0, 3))
    try:
        live, _ = asked_for(push_dir)
    except (NoPushedModelError, PushFolderError) as error:
        if has_runs:
            state = f"There are runs in {root}, but no pushed model: {error}"
            steps.add_row("digits runs list", "the runs, and which were blessed")
            steps.add_row("digits runs show RUN", "why a run was not blessed")
            steps.add_row("digits run --epochs 10", "train longer")
        else:
            state = "No model here yet."
            steps.add_row("digits run", "fetch MNIST, train, evaluate and push a model (about two minutes)")
            steps.add_row("digits data", "fetch MNIST only")
    else:
        accuracy = "" if live.test_accuracy is None else f", test accuracy {live.test_accuracy:.2%}"
        state = f"Version {live.number} is live: {live.name}{accuracy}."
        steps.add_row("digits predict photo.jpg", "read a picture")
        steps.add_row("digits serve --open", "draw, drop or photograph digits in the browser")
        steps.add_row("digits bot", "answer photos in Telegram")
        steps.add_row("digits run --epochs 10", "train longer, for people's photos")
        steps.add_row("digits report", "figures, curves and misclassified images")
    steps.add_row("digits --help", "all commands")
    return state, steps
