"""`digits feedback` as users call it."""

import json
from datetime import datetime, timezone

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from serving_bot.feedback.contribution import Contribution
from serving_bot.feedback.contributors import Contributors
from serving_bot.feedback.store import Store

IDS = ["a" * 32, "b" * 32, "c" * 32]


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "feedback"))
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 12:16] = 255
    for place, name in enumerate(IDS):
        one = Contribution(
            id=name,
            contributor="d" * 32 if place < 2 else "e" * 32,
            image=image,
            said=None if place == 2 else 1,
            answered=7,
            probability=0.62,
            version=1763800000,
            at=datetime(2026, 11, 27, 8, place, tzinfo=timezone.utc),
        )
        store.add(one.id, one.contributor, one.to_png())
    return store


@pytest.fixture
def feedback(store):
    def feedback(*arguments):
        return CliRunner().invoke(app, ["feedback", *arguments, "--feedback-dir", store.folder])

    return feedback


def states(store):
    return {entry.contribution.id[0]: (entry.state, entry.review and entry.review.digit) for entry in store.entries()}


def test_unreviewed_contributions_are_listed_oldest_first(feedback):
    listed = json.loads(feedback("list", "--json").stdout)

    assert [one["id"] for one in listed] == IDS
    assert listed[2] == {
        "id": "c" * 32,
        "contributor": "e" * 32,
        "said": None,
        "answered": 7,
        "probability": 0.62,
        "version": 1763800000,
        "at": "2026-11-27T08:02:00+00:00",
        "state": "waiting",
        "digit": None,
    }
    assert "aaaaaaaa" in feedback("list").stdout


def test_decisions_are_kept(feedback, store):
    assert feedback("accept", "aaa").stdout == "aaaaaaaa accepted as 1\n"
    assert feedback("reject", "bbb").stdout == "bbbbbbbb rejected\n"
    assert feedback("relabel", "ccc", "--digit", "4").stdout == "cccccccc accepted as 4\n"

    assert states(store) == {"a": ("accepted", 1), "b": ("rejected", None), "c": ("accepted", 4)}
    assert json.loads(feedback("list", "--json").stdout) == []
    assert len(json.loads(feedback("list", "--all", "--json").stdout)) == 3
    assert "Nothing waits for a review" in feedback("list").stdout


def test_all_ids_are_resolved_before_the_first_decision(feedback, store):
    done = feedback("accept", "aaa", "xyz")

    assert done.exit_code == 1
    assert "no contribution with an id that begins with 'xyz'" in done.stderr
    assert states(store)["a"] == ("waiting", None)


def test_an_invalid_digit_is_wrong_usage(feedback):
    assert feedback("relabel", "aaa", "--digit", "12").exit_code == 2


def test_a_contribution_is_shown_as_a_picture(feedback):
    shown = feedback("show", "aaa").stdout

    assert "██" in shown
    assert f"{'d' * 32} says 1; version 1763800000 answered 7 (62.0%)" in shown.replace("\n", " ")


def test_a_contributor_is_forgotten_by_code_or_by_number_and_key(feedback, store, tmp_path):
    assert feedback("forget", "d" * 32).stdout == "Deleted 2 contributions.\n"
    assert feedback("forget", "d" * 32).exit_code == 1
    assert states(store) == {"c": ("waiting", None)}

    keys = tmp_path / "keys"
    name = Contributors(keys).name(42)
    one = store.entries()[0].contribution
    store.add("f" * 32, name, Contribution(**{**vars(one), "id": "f" * 32, "contributor": name}).to_png())
    assert feedback("forget", "--user", "42", "--key-file", str(keys)).stdout == "Deleted 1 contribution.\n"
    assert feedback("forget").exit_code == 1
    assert feedback("forget", "--user", "42").exit_code == 1


def test_statistics_count_states_digits_and_contributors(feedback):
    feedback("accept", "aaa")
    feedback("reject", "bbb")

    counted = json.loads(feedback("stats", "--json").stdout)

    assert counted["states"] == {"accepted": 1, "rejected": 1, "waiting": 1}
    assert counted["corrections"] == 3
    assert counted["accepted_by_digit"] == {"1": 1}
    assert counted["contributors"]["d" * 32] == {"contributions": 2, "reviewed": 2, "right": 1}
    assert "50%" in feedback("stats").stdout


def test_a_damaged_file_is_a_one_line_error(feedback, store, tmp_path):
    next((tmp_path / "feedback").rglob("a*.png")).write_bytes(b"x")

    done = feedback("list")

    assert done.exit_code == 1
    assert "is not a contribution" in done.stderr
    assert "Traceback" not in done.stderr
