"""What a report says of the digits that the bot's users contributed."""

from __future__ import annotations

import os

from components.evaluation.result import EvaluationResult, read_evaluation, surely_wrong
from models.features import USERS, USERS_TRAIN
from pipeline.data.drift import measure_drift, read_digits
from pipeline.history.records import Run
from pipeline.report.contents import UsersReport
from pipeline.report.pictures import find_pictures

_COMPARED = ((USERS_TRAIN, USERS), ("train",))


def read_users(run: Run) -> UsersReport | None:
    """The figures on users' digits, and those that are still misclassified; None for a run without them."""
    if run.users is None or run.users_evaluation is None or run.examples is None:
        return None
    evaluation: EvaluationResult = read_evaluation(run.users_evaluation.uri)
    folder = os.path.join(run.examples.uri, f"Split-{USERS}")
    pictures = find_pictures([folder], {misread.digest for misread in evaluation.misread})
    return UsersReport(
        accuracy=evaluation.accuracy,
        baseline_accuracy=evaluation.baseline_accuracy,
        examples=evaluation.examples,
        surely_wrong=surely_wrong(evaluation, run.card),
        trained=int(run.users.get(USERS_TRAIN, 0)),
        drift=measure_drift(
            *(read_digits([f"{run.examples.uri}/Split-{name}" for name in names]) for names in _COMPARED)
        ),
        wrong=tuple(
            (f"{misread.label}, answered {misread.predicted} ({misread.probability:.0%})", pictures[misread.digest])
            for misread in evaluation.misread
            if misread.digest in pictures
        ),
    )
