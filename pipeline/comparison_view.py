"""How a comparison looks while it goes: the whole matrix, the run at work, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from statistics import mean
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from models.parameters import TrainingParameters
from pipeline.run_view import SIGNS, RunView


class CombinationView(RunView):
    """The components of one run of a comparison; drawn by the comparison's view where there is a terminal."""

    def __init__(self, console: Console):
        super().__init__(console, nested=True)
        self.trainer_started = False
        self.trained_since: float | None = None  # when training began, or nothing was left to train
        self.training_seconds = 0.0

    def show(self, event: dict[str, Any]) -> None:
        """Takes one event."""
        super().show(event)
        if event.get("component") == "Trainer":
            if event["event"] == "start":
                self.trainer_started, self.trained_since = True, time.monotonic()
            elif event["event"] == "end" and self.trained_since is not None:
                self.training_seconds = time.monotonic() - self.trained_since


class ComparisonView:
    """A line for each combination: live on a terminal, plain lines elsewhere."""

    def __init__(
        self,
        console: Console,
        combinations: Mapping[str, TrainingParameters],
        *,
        seconds_per_epoch: Mapping[str, float],
        trained: Collection[str],
    ):
        """Makes the view.

        Args:
            console: where to show it.
            combinations: what is trained, by label, in the order of the runs.
            seconds_per_epoch: how long an epoch takes, for the networks of which that is known.
            trained: labels of those that need no training any more.
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
        self._live = Live(self, console=console, refresh_per_second=4) if console.is_terminal else None

    def __enter__(self) -> ComparisonView:
        """Starts the live view."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the last state on the screen."""
        self._at_work = None
        if self._live:
            self._live.stop()

    def begin(self, label: str) -> CombinationView:
        """A run starts; returns what is to show it."""
        view = CombinationView(self._console)
        self._started[label] = time.monotonic()
        self._states[label] = "running"
        self._at_work = label, view
        if not self._live:
            position = list(self._combinations).index(label) + 1
            self._say(f"[{position}/{len(self._combinations)}] {label}{self._describe_left(' (about {} left in all)')}")
        return view

    def end(self, label: str, summary: dict[str, Any] | None) -> None:
        """A run ended.

        Args:
            label: whose.
            summary: pipeline.summary.Summary as a dict, None where the run failed.
        """
        self._seconds[label] = time.monotonic() - self._started[label]
        if self._at_work:
            self._learn(self._at_work[1], label, summary)
        self._states[label] = "done" if summary else "failed"
        if summary:
            self._trained.add(label)
            evaluation = summary["evaluation"]
            self._results[label] = (
                f"{evaluation['accuracy']:.2%}, {len(evaluation['misread']):,} of {evaluation['examples']:,} misread"
            )
        self._at_work = None
        if not self._live:
            took = describe_duration(self._seconds[label])
            self._say(f"{label}: {self._results.get(label, 'failed')}, {took}")

    def __rich__(self) -> RenderableType:
        """The matrix as it stands, the components of the run at work, and the time left."""
        table = Table.grid(padding=(0, 2))
        for label, state in self._states.items():
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
        parts: list[RenderableType] = [table]
        if self._at_work:
            parts += [Text(""), self._at_work[1]]
        if left := self._describe_left("About {} left"):
            parts += [Text(""), Text(left, style="cyan")]
        return Group(*parts)

    def seconds_left(self) -> float | None:
        """The forecast for all that is not done, None as long as it is not known how long an epoch takes."""
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

    def _learn(self, view: CombinationView, label: str, summary: dict[str, Any] | None) -> None:
        if summary is None:
            return
        training = self._combinations[label]
        trained = summary["seconds"].get("Trainer")
        if trained:
            self._seconds_per_epoch[training.model] = trained / training.epochs
        self._beside_training.append(self._seconds[label] - (trained or 0.0))

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
