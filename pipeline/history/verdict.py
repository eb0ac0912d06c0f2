"""Describes why a model was not blessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def describe_problems(
    figures: dict[str, Any] | None,
    serving_problem: str | None,
    picture_misses: Sequence[str] = (),
    users_figures: dict[str, Any] | None = None,
) -> list[str]:
    """The reasons why a model was not blessed, a text each: missed thresholds, and ServingCheck's findings.

    `figures` is EvaluationResult.figures through JSON, None without an evaluation; `users_figures` the same on the
    digits of the bot's users.
    """
    problems = []
    failures = figures["failures"] if figures else []
    for failure in sorted(failures, key=lambda failure: -1 if failure["digit"] is None else failure["digit"]):
        bound = failure["bound"]
        if failure["is_change"] and figures:
            problems.append(
                f"accuracy is {-failure['value'] * 100:.2f} points below the baseline's "
                f"{figures['baseline_accuracy']:.2%}; --max-drop allows {-bound * 100:.2f}"
            )
        elif failure["value"] is None:
            problems.append(
                f"digit {failure['digit']}: no test image has this label, so --min-digit-accuracy {bound:.2%} is not "
                "met; check the data"
            )
        elif failure["digit"] is None:
            problems.append(f"accuracy {failure['value']:.2%} is below --min-accuracy {bound:.2%}")
        else:
            problems.append(
                f"digit {failure['digit']}: accuracy {failure['value']:.2%} is below --min-digit-accuracy {bound:.2%}"
            )
    if users_figures:
        problems += [
            f"accuracy on users' digits is {-failure['value'] * 100:.2f} points below the baseline's "
            f"{users_figures['baseline_accuracy']:.2%}; --max-users-drop allows {-failure['bound'] * 100:.2f}"
            for failure in users_figures["failures"]
        ]
    if serving_problem:
        problems.append(f"the bot could not serve it: {serving_problem}")
    problems += picture_misses
    return problems
