"""Live view and final summary of a run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from models.registry import name_training
from pipeline.config import PipelineConfig, UsersDigits
from pipeline.history.records import Run
from pipeline.history.verdict import describe_problems, worst_digit
from serving_bot.versions.folder import NoPushedModelError, PushFolderError, Version, read_card
from serving_bot.versions.registry import asked_for

SIGNS = {
    "waiting": ("·", "dim"),
    "running": ("▶", "cyan"),
    "done": ("✓", "green"),
    "cached": ("✓", "green"),
    "failed": ("✗", "red"),
    "interrupted": ("–", "yellow"),
}

_WIDE = 110  # columns that the live table needs to show a training on one line


class RunView:
    """One line per component: live on a terminal, a plain line per change elsewhere.

    Handles the events that pipeline/local/runner.py lists.
    """

    def __init__(self, console: Console, *, nested: bool = False):
        """Makes the view; on a terminal, another view draws a nested one."""
        self._console = console
        self._quiet = console.is_terminal
        self._states: dict[str, str] = {}
        self._started: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._training: dict[str, Any] = {}
        self._validation: float | None = None  # the latest; most events of an epoch have none
        self._training_since: tuple[float, int] | None = None  # time, and steps done by then
        self._live = Live(self, console=console, refresh_per_second=4) if self._quiet and not nested else None

    def __enter__(self) -> RunView:
        """Starts the live view."""
        if self._live:
            self._live.start()
        elif not self._quiet:
            self._say("Loading TensorFlow and TFX ...")
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the last state on the screen."""
        for component, state in self._states.items():
            if state == "running":
                self._states[component] = "failed"
                self._seconds[component] = time.monotonic() - self._started[component]
        if self._live:
            self._live.stop()

    def show_log(self, path: Path) -> None:
        """Shows the path of the libraries' output."""
        self._console.out(f"Log: {path}", highlight=False)

    def show(self, event: dict[str, Any]) -> None:
        """Handles one event."""
        getattr(self, f"_show_{event['event']}", lambda event: None)(event)

    def _show_plan(self, event: dict[str, Any]) -> None:
        self._states = dict.fromkeys(event["components"], "waiting")

    def _show_start(self, event: dict[str, Any]) -> None:
        # In this order: the live view draws from another thread.
        self._started[event["component"]] = time.monotonic()
        self._states[event["component"]] = "running"

    def _show_end(self, event: dict[str, Any]) -> None:
        component = event["component"]
        self._states[component] = event["state"]
        self._seconds[component] = time.monotonic() - self._started[component]
        if not self._quiet:
            cached = event["state"] == "cached"
            self._say(f"{component}: {'cached' if cached else f'{self._seconds[component]:.1f} s'}")

    def _show_progress(self, event: dict[str, Any]) -> None:
        done = (event["epoch"] - 1) * event["steps"] + event["step"]
        if self._training_since is None:
            self._training_since = (time.monotonic(), done)
        self._training = event
        self._validation = event.get("val_accuracy", self._validation)
        if not self._quiet and "val_loss" in event:
            self._say(f"Trainer: {'  '.join(filter(None, self._describe_training()))}")

    def __rich__(self) -> RenderableType:
        """The current table."""
        return self._draw({component: component for component in self._states})

    def describe_component_at_work(self) -> RenderableType:
        """One line of the table, for a window that is too small for all of it."""
        names = list(self._states)
        begun = [number for number, name in enumerate(names) if self._states[name] != "waiting"]
        at = begun[-1] if begun else 0
        return self._draw({name: f"{name}, {at + 1} of {len(names)}" for name in names[at : at + 1]})

    def _draw(self, titles: Mapping[str, str]) -> RenderableType:
        if not self._states:
            return Text("Loading TensorFlow and TFX ...", style="dim")
        table = Table.grid(padding=(0, 2))
        for component, title in titles.items():
            state = self._states[component]
            sign, style = SIGNS[state]
            table.add_row(
                Text(sign, style=style),
                Text(title, style="dim" if state == "waiting" else ""),
                Text(self._time_of(component), style="dim"),
                self._detail_of(component),
            )
        return table

    def _time_of(self, component: str) -> str:
        state = self._states[component]
        if state == "waiting":
            return ""
        if state == "cached":
            return "cached"
        seconds = self._seconds.get(component) or time.monotonic() - self._started[component]
        return f"{seconds:.1f} s"

    def _detail_of(self, component: str) -> str:
        if component != "Trainer" or not self._training:
            return ""
        return ("  " if self._console.width >= _WIDE else "\n").join(filter(None, self._describe_training()))

    def _describe_training(self) -> tuple[str, str]:
        """Metrics of the training, and the latest validation with the time left, which may be empty."""
        now = self._training
        known = f"epoch {now['epoch']}/{now['epochs']}  loss {now['loss']:.4f}  accuracy {now['accuracy']:.2%}"
        left = round(self._seconds_left())
        expected = [f"validation {self._validation:.2%}"] if self._validation is not None else []
        return known, "  ".join(expected + ([f"{left // 60}:{left % 60:02} left"] if left else []))

    @property
    def training_left(self) -> float | None:
        """Seconds of training left; None before training starts."""
        return self._seconds_left() if self._training else None

    def _seconds_left(self) -> float:
        since, first = self._training_since or (time.monotonic(), 0)
        done = (self._training["epoch"] - 1) * self._training["steps"] + self._training["step"]
        total = self._training["epochs"] * self._training["steps"]
        return (time.monotonic() - since) / (done - first) * (total - done) if done > first else 0.0

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def summarise(run: Run, report: str | None, config: PipelineConfig) -> RenderableType:
    """The summary of a finished run: metrics, verdict, pushed version, report, and times."""
    figures, examples, training = run.figures, run.examples, config.training
    assert figures is not None and examples is not None  # noqa: PT018 (the run is finished)
    worst, its_accuracy = worst_digit(figures)
    sizes = {split: f"{size:,}" for split, size in run.split_sizes.items()}
    table = Table.grid(padding=(0, 2))
    table.add_row("Model", f"{name_training(training.model, training.epochs)}, seed {training.seed}")
    table.add_row(
        "Data",
        f"{sizes['train']} training, {sizes['eval']} validation and {sizes['test']} test images "
        f"({examples.properties['source']})",
    )
    table.add_row("Test accuracy", f"{figures['accuracy']:.2%}")
    table.add_row("Worst digit", f"{worst}, {its_accuracy:.2%}")
    if config.users:
        table.add_row("Users' digits", _describe_users(run.users_figures, config.users))
    table.add_row("Baseline", _describe_baseline(figures["baseline_accuracy"], config))
    table.add_row("Verdict", Text("blessed", style="green") if run.version else Text("not blessed", style="red"))
    if run.version:
        table.add_row("Pushed", Text(_describe_push(run)))
    table.add_row("Live", Text(_describe_live(run, config)))
    table.add_row("Report", Text(report or "could not be written; see the log"))
    seconds = {step.name: step.seconds for step in run.steps if step.state == "done" and step.seconds is not None}
    longest = sorted(seconds.items(), key=lambda item: -item[1])
    table.add_row("Time", ", ".join(f"{name} {taken:.1f} s" for name, taken in longest) or "all cached")
    if run.version:
        return table
    return Group(table, *(Text(f"  • {problem}") for problem in describe_problems(run)), Text(_advice(run)))


def _describe_push(run: Run) -> str:
    card = read_card(Version(run.version or 0, run.destination or ""))
    run_id, damaged = card.get("run_id"), card.get("replaces")
    note = f" (since run {run_id})" if run_id not in (None, run.run_id) else ""
    if damaged and not note:
        note = f" (pushed again: version {damaged} of the same model is damaged)"
    return f"version {run.version}, {run.destination}{note}"


def _describe_live(run: Run, config: PipelineConfig) -> str:
    """The live version, and if it is not this run's, the command to promote this run's version."""
    try:
        live, choice = asked_for(config.push_dir)
    except (NoPushedModelError, PushFolderError) as error:
        return f"nothing. {error}"
    pinned = live.number == choice.pin
    if choice.problem:
        return f"version {live.number} ({live.name}). {choice.problem}"
    if live.number == run.version:
        return f"version {live.number}{', pinned' if pinned else ''}"
    text = f"version {live.number} ({live.name}), which is {'pinned' if pinned else 'the newest'}"
    if run.version is None:
        return text
    return f"{text}. To serve this run's version: digits models promote {run.version}"


def _describe_users(figures: dict[str, Any] | None, users: UsersDigits) -> str:
    trained = f"{users.trained:,} trained on"
    if figures is None:
        return f"{trained}; none for evaluation, which needs contributors that are not used for training"
    before = figures["baseline_accuracy"]
    text = f"{figures['accuracy']:.1%} of {figures['examples']:,} from other contributors"
    return f"{text}{'' if before is None else f' (the baseline {before:.1%})'}; {trained}"


def _describe_baseline(accuracy: float | None, config: PipelineConfig) -> str:
    if accuracy is not None:
        return f"{accuracy:.2%} (the latest earlier blessed model)"
    return "none (no earlier blessed model)" if config.baseline == "latest" else "none, as requested"


def _advice(run: Run) -> str:
    if run.serving_problem:
        return "Nothing was pushed: the export is broken. The bot keeps serving its current version."
    return (
        "Nothing was pushed: the bot keeps serving its current version. Train longer (--epochs), choose another "
        "--model, or, to accept less, change the threshold; --baseline none skips the comparison with earlier models."
    )
