import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.history.reading import read_runs
from pipeline.history.records import Artifact, Run, Step
from pipeline.retraining import decide
from serving_bot.feedback.contribution import Contribution
from serving_bot.feedback.snapshot import take_snapshot
from serving_bot.feedback.store import Entry, Review

NOW = datetime(2026, 11, 27, tzinfo=timezone.utc)


def entry(number, answered=7, accepted=True) -> Entry:
    one = Contribution(
        id=f"{number:032x}",
        contributor=f"hand {number % 5}",
        image=np.full((28, 28), number % 256, np.uint8),
        said=7,
        answered=answered,
        probability=0.8,
        version=1,
        at=NOW,
    )
    return Entry(one, Review("accepted", 7, NOW) if accepted else None)


@pytest.fixture
def run_on(tmp_path):
    """A finished run with some contributions, the given number of days ago."""

    def run_on(entries, days=1, state="pushed"):
        examples = take_snapshot(entries).examples
        members = {"ids": [one.id for one in examples], "contributors": sorted({one.contributor for one in examples})}
        (tmp_path / "snapshot.json").write_text(json.dumps(members))
        started = NOW - timedelta(days=days)
        artifact = Artifact(
            1, "Examples", str(tmp_path), {"feedback": json.dumps({"digest": "abc", "contributors": 5})}
        )
        step = Step("MnistExampleGen", 1, "done", started, 1.0, {}, {}, {"examples": (artifact,)}, None)
        return Run("1", started, state, (step,))

    return run_on


def decided(entries, runs=(), **changes):
    rules = {
        "trust": 0,
        "min_new": 20,
        "every": timedelta(days=7),
        "max_wrong": 0.2,
        "max_drift": 0.3,
        "now": NOW,
        **changes,
    }
    decision = decide(entries, runs, **rules)
    return decision.due, decision.reason


def test_enough_new_contributions_are_a_reason(run_on):
    entries = [entry(number) for number in range(40)]

    assert decided(entries[:20]) == (True, "20 accepted contributions are new")
    assert decided(entries[:19]) == (False, "19 accepted contributions are new, of 20 needed")
    assert decided(entries, [run_on(entries[:20])])[0]
    assert not decided(entries[:39], [run_on(entries[:20])])[0]


def test_the_same_command_again_is_not_due(run_on):
    entries = [entry(number) for number in range(40)]

    assert decided(entries, [run_on(entries, days=30)]) == (False, "nothing was accepted since the last run")


def test_unreviewed_contributions_are_not_a_reason():
    assert decided([entry(number, accepted=False) for number in range(100)]) == (
        False,
        "nothing was accepted since the last run",
    )


def test_a_failed_run_does_not_count(run_on):
    entries = [entry(number) for number in range(20)]

    assert decided(entries, [run_on(entries, state="failed")])[0]
    assert not decided(entries, [run_on(entries, state="not blessed")])[0]


def test_time_is_a_reason_if_anything_is_new(run_on):
    entries = [entry(number) for number in range(10)]

    assert decided(entries, [run_on(entries[:5], days=7)]) == (
        True,
        "the last run with users' digits is 7 days old, and 5 are new",
    )
    assert not decided(entries, [run_on(entries[:5], days=6)])[0]


def test_a_live_model_that_is_often_wrong_is_a_reason(run_on):
    entries = [entry(number, answered=1 if number % 3 == 0 else 7) for number in range(60)]
    run = run_on(entries[:50])

    assert decided(entries, [run]) == (True, "33% of the last judged digits were wrong")
    assert not decided(entries, [run], max_wrong=0.5)[0]


def test_new_digits_that_differ_from_those_trained_on_are_a_reason(run_on, some_training_images):
    images, labels = some_training_images

    def drawn(number, slanted=False):
        shear = np.array([[1, -0.8, 11], [0, 1, 0]], np.float32)
        image = cv2.warpAffine(images[number], shear, (28, 28)) if slanted else images[number]
        one = entry(number)
        digit = int(labels[number])
        contribution = replace(one.contribution, image=image, said=digit, answered=digit)
        return Entry(contribution, replace(one.review, digit=digit))

    before, same = [drawn(number) for number in range(200)], [drawn(number) for number in range(200, 260)]
    run = run_on(before)

    due, reason = decided([*before, *[drawn(number, slanted=True) for number in range(200, 260)]], [run], min_new=99)
    assert due
    assert reason.startswith("the 60 new digits differ from the last run's users' digits in slant by 0.")
    assert not decided([*before, *same], [run], min_new=99)[0]
    assert not decided(before[:29], [], min_new=99)[0]


def test_the_first_digits_are_compared_with_mnist(tiny_run):
    runs = read_runs(Path(tiny_run.config.root))
    blank = [entry(number) for number in range(30)]

    due, reason = decided(blank, runs, min_new=99)

    assert due
    assert reason.startswith("the 30 new digits differ from MNIST's training images in slant")


def test_a_forgotten_contributor_is_a_reason(run_on):
    entries = [entry(number) for number in range(40)]
    run = run_on(entries)

    left = [one for one in entries if one.contribution.contributor != "hand 2"]
    assert decided(left, [run]) == (True, "1 contributor of the last run has been forgotten since")
