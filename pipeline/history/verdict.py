"""Describes why a model was not blessed."""

from __future__ import annotations

from typing import Any

from pipeline.history.records import Run


def worst_digit(figures: dict[str, Any]) -> tuple[str, float]:
    """The digit with the lowest accuracy, and that accuracy, from EvaluationResult.figures through JSON."""
    digit, accuracy = min(figures["accuracy_by_digit"].items(), key=lambda item: item[1])
    return str(digit), float(accuracy)


def describe_problems(run: Run) -> list[str]:
    """The reasons why a run's model was not blessed, a text each: missed thresholds, and ServingCheck's findings."""
    problems = []
    figures, users_figures = run.figures, run.users_figures
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
    if run.serving_problem:
        problems.append(f"the bot could not serve it: {run.serving_problem}")
    return problems + run.picture_misses
