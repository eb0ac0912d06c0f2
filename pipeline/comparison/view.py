"""Live view of a comparison: the whole matrix, the current run, and the time left."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from models.recipe import Training
from pipeline.history.records import Run
from pipeline.local.view import SIGNS, RunView


class CombinationView(RunView):
    """The components of one run of a comparison; on a terminal the comparison's view draws it."""

    def __init__(self, console: Console):
        super().__init__(console, nested=True)
        self.log: Path | None = None
        self.trainer_started = False
        self.trained_since: float | None = None  # when the Trainer started
        self.training_seconds = 0.0

    def show_log(self, path: Path) -> None:
        """Sets the path of the libraries' output; on a terminal the view shows it instead of a line per run."""
        self.log = path
        if not self._quiet:
            super().show_log(path)

    def show(self, event: dict[str, Any]) -> None:
        """Handles one event."""
        super().show(event)
        if event.get("component") == "Trainer":
            if event["event"] == "start":
                self.trainer_started, self.trained_since = True, time.monotonic()
            elif event["event"] == "end" and self.trained_since is not None:
                self.training_seconds = time.monotonic() - self.trained_since


class ComparisonView:
    """One line per combination: live on a terminal, plain lines elsewhere."""

    def __init__(
        self,
        console: Console,
        combinations: Mapping[str, Training],
        *,
        seconds_per_epoch: Mapping[str, float],
        trained: Collection[str],
    ):
        """Makes the view of combinations, which are given by label, in the order of the runs.

        `seconds_per_epoch` holds the time of an epoch for each network where known; `trained`, the labels of the
        combinations that are already trained.
        """
        self._console = console
        self._combinations = combinations
        self._seconds_per_epoch = dict(seconds_per_epoch)
        self._trained = set(trained)
        self._states = dict.fromkeys(combinations, "waiting")
        self._results: dict[str, str] = {}
        self._started: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._beside_training: list[float] = []
        self._at_work: tuple[str, CombinationView] | None = None
        self._closed = False
        self._live = Live(self, console=console, refresh_per_second=4) if console.is_terminal else None

    def __enter__(self) -> ComparisonView:
        """Starts the live view."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the last state on the screen."""
        if self._at_work:  # (the run could not start)
            self._states[self._at_work[0]] = "failed"
        self.close()

    def close(self) -> None:
        """Ends the live view: the matrix stays on the screen, and later output follows below it."""
        self._at_work = None
        self._closed = True
        if self._live:
            self._live.stop()

    def begin(self, label: str) -> CombinationView:
        """Starts a run; returns its view."""
        view = CombinationView(self._console)
        self._started[label] = time.monotonic()
        self._states[label] = "running"
        self._at_work = label, view
        if not self._live:
            position = list(self._combinations).index(label) + 1
            self._say(f"[{position}/{len(self._combinations)}] {label}{self._describe_left(' (about {} left in all)')}")
        return view

    def end(self, label: str, run: Run | None, *, interrupted: bool = False) -> None:
        """Ends a run; None if it was interrupted or failed."""
        self._seconds[label] = time.monotonic() - self._started[label]
        self._states[label] = "done" if run else "interrupted" if interrupted else "failed"
        if run:
            self._trained.add(label)
            training, trained = self._combinations[label], run.training_seconds or 0.0
            if trained:
                self._seconds_per_epoch[training.model] = trained / training.epochs
            self._beside_training.append(self._seconds[label] - trained)
            figures = run.figures or {}
            self._results[label] = (
                f"{figures['accuracy']:.2%}, {figures['wrong']:,} of {figures['examples']:,} misclassified"
            )
        self._at_work = None
        if not self._live:
            took = describe_duration(self._seconds[label])
            self._say(f"{label}: {self._results.get(label, self._states[label])}, {took}")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The matrix, the current run's components, the time left and the log's path.

        If the window is too low, it shows one component and, if necessary, only the part of the matrix around the
        current run. Otherwise the bottom would be cut off, and with it the training's progress.
        """
        if self._closed:
            yield self._matrix(range(len(self._states)))
            return
        below = self._below(console, options, whole=True)
        if len(self._states) + len(below) > options.max_height:
            below = self._below(console, options, whole=False)
        yield self._matrix(self._part(options.max_height - len(below)))
        yield from (Segments([*line, Segment.line()]) for line in below)

    def _matrix(self, part: range) -> Table:
        """Some lines of the matrix, and the number of lines above and below them."""
        labels = list(self._states)
        table = Table.grid(padding=(0, 2))
        if part.start:
            table.add_row("", Text(f"{part.start} more above", style="dim"))
        for label in labels[part.start : part.stop]:
            state = self._states[label]
            sign, style = SIGNS[state]
            seconds = self._seconds.get(label)
            if state == "running":
                seconds = time.monotonic() - self._started[label]
            waiting = "trained already" if label in self._trained else ""
            table.add_row(
                Text(sign, style=style),
                Text(label, style="dim" if state == "waiting" else ""),
                Text(describe_duration(seconds) if seconds is not None else waiting, style="dim"),
                self._results.get(label, ""),
            )
        if part.stop < len(labels):
            table.add_row("", Text(f"{len(labels) - part.stop} more below", style="dim"))
        return table

    def _part(self, room: int) -> range:
        """The lines of the matrix that fit, with the current run in the middle."""
        number = len(self._states)
        if number <= room:
            return range(number)
        room = max(1, room - 2)  # for the numbers of hidden lines
        at = list(self._states).index(self._at_work[0]) if self._at_work else 0
        start = min(max(0, at - room // 2), number - room)
        return range(start, start + room)

    def _below(self, console: Console, options: ConsoleOptions, *, whole: bool) -> list[list[Segment]]:
        """The lines below the matrix."""
        parts: list[RenderableType] = []
        if self._at_work:
            view = self._at_work[1]
            parts += [Text(""), view if whole else view.describe_component_at_work()]
        parts.append(Text(""))
        if left := self._describe_left("About {} left"):
            parts.append(Text(left, style="cyan"))
        if self._at_work and (log := self._at_work[1].log):
            parts.append(Text(f"Log: {log}", style="dim", overflow="fold"))
        return console.render_lines(Group(*parts), options.update(height=None), pad=False)

    def seconds_left(self) -> float | None:
        """The forecast for the remaining runs; None until the time of an epoch is known."""
        total = 0.0
        per_epoch = dict(self._seconds_per_epoch)
        beside = mean(self._beside_training) if self._beside_training else 0.0
        for label, state in self._states.items():
            if state in ("done", "failed"):
                continue
            passed = 0.0
            if state == "running" and self._at_work:
                view = self._at_work[1]
                passed = time.monotonic() - self._started[label] - self._training_so_far(view)
                if view.training_left is not None:
                    total += view.training_left + max(0.0, beside - passed)
                    continue
            training = self._combinations[label]
            total += max(0.0, beside - passed)
            if label not in self._trained:
                if not per_epoch:
                    return None
                total += training.epochs * per_epoch.get(training.model, mean(per_epoch.values()))
        return total or None

    def _training_so_far(self, view: CombinationView) -> float:
        if view.trained_since is None:
            return 0.0
        return view.training_seconds or time.monotonic() - view.trained_since

    def _describe_left(self, text: str) -> str:
        left = self.seconds_left()
        return "" if left is None else text.format(describe_duration(left))

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def describe_duration(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03, 2:03, 0:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
