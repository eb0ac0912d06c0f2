import time
from dataclasses import replace
from datetime import datetime, timezone

import cv2
import numpy as np
import pytest

from serving_bot.feedback.contribution import Contribution
from serving_bot.feedback.snapshot import NEAR, RECORD, find_near, rate_contributors, take_snapshot
from serving_bot.feedback.store import Entry, Review

RNG = np.random.default_rng(5)


def digit_image(value: str, shift: int = 0) -> np.ndarray:
    image = np.zeros((28, 28), np.uint8)
    cv2.putText(image, value, (5 + shift, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2)
    return image


def entry(number, contributor="c", said=7, image=None, verdict=None, digit=None) -> Entry:
    one = Contribution(
        id=f"{number:032x}",
        contributor=contributor,
        image=RNG.integers(0, 256, (28, 28), dtype=np.uint8) if image is None else image,
        said=said,
        answered=1,
        probability=0.8,
        version=1,
        at=datetime(2026, 11, 27, tzinfo=timezone.utc),
    )
    return Entry(one, Review(verdict, digit, one.at) if verdict else None)


def chosen(entries, trust=0):
    return {int(example.id, 16): example.digit for example in take_snapshot(entries, trust).examples}


def test_only_accepted_contributions_are_chosen_with_their_reviewed_labels():
    entries = [
        entry(1, verdict="accepted", digit=7),
        entry(2, verdict="accepted", digit=3),
        entry(3, verdict="accepted", digit=None),
        entry(4, verdict="rejected"),
        entry(5),
    ]

    assert chosen(entries) == {1: 7, 2: 3, 3: None}


def test_the_digest_depends_only_on_the_training_examples():
    entries = [entry(n, verdict="accepted", digit=7) for n in range(3)]
    digest = take_snapshot(entries).digest

    assert take_snapshot([*reversed(entries), entry(9)]).digest == digest
    assert take_snapshot(entries[:2]).digest != digest
    relabelled = [replace(entries[0], review=replace(entries[0].review, digit=1)), *entries[1:]]
    assert take_snapshot(relabelled).digest != digest


def test_a_contributor_is_always_on_the_same_side():
    entries = [entry(n, contributor=f"hand {n % 40}", verdict="accepted", digit=1) for n in range(400)]
    sides = {}
    for example in take_snapshot(entries).examples:
        sides.setdefault(example.contributor, set()).add(example.evaluates)

    assert all(len(side) == 1 for side in sides.values())
    assert 4 <= sum(side == {True} for side in sides.values()) <= 18


def test_several_contributors_who_agree_are_trusted():
    image = digit_image("7")
    entries = [entry(n, contributor=f"hand {n}", image=image) for n in range(3)]

    assert chosen(entries) == {}
    assert set(chosen(entries, trust=3)) == {0, 1, 2}
    assert chosen(entries, trust=4) == {}
    assert chosen([*entries, entry(9, contributor="other", said=1, image=image)], trust=3) == {}


def test_near_crops_match_a_comparison_of_all_pairs():
    drawn = [cv2.GaussianBlur(digit_image(str(n % 10), n % 3), (0, 0), 1 + n % 4 / 4) for n in range(120)]
    crops = np.stack([*drawn, np.zeros((28, 28), np.uint8)]).reshape(121, -1)
    rows = crops.astype(np.float64) / 255
    ink = rows.sum(1)
    difference = np.abs(rows[:, None] - rows[None]).sum(2) / np.maximum(ink[:, None] + ink[None], 1e-6)

    found = find_near(crops)

    assert 0.01 < (difference < NEAR).mean() < 0.2
    for row, indices in zip(difference, found, strict=True):
        assert set(indices) == set(np.flatnonzero(row < NEAR))


def test_ten_thousand_contributions_are_compared_in_seconds():
    rng = np.random.default_rng(1)
    shapes = np.stack([cv2.GaussianBlur(digit_image(str(n)), (0, 0), 1.5) for n in range(10)]).reshape(10, -1)
    drawn = (
        shapes[rng.integers(10, size=10_000)] * rng.uniform(0.2, 1, (10_000, 1)) * rng.uniform(0.5, 1, (10_000, 784))
    )
    crops = drawn.astype(np.uint8)
    began = time.process_time()

    find_near(crops)

    assert time.process_time() - began < 30  # all pairs take minutes


def test_other_digits_are_not_similar():
    entries = [entry(n, contributor=f"hand {n}", said=7, image=digit_image(str(n))) for n in range(10)]

    assert chosen(entries, trust=2) == {}


def test_one_contributor_with_500_wrong_labels_changes_nothing():
    good = [entry(n, contributor=f"hand {n}", said=7, image=digit_image("7")) for n in range(3)]
    reviewed = [entry(900 + n, contributor="enemy", said=4, verdict="rejected") for n in range(RECORD)]
    enemy = [entry(1000 + n, contributor="enemy", said=2, image=digit_image("3", n % 3)) for n in range(500)]

    for trust in (0, 2, 3):
        assert (
            take_snapshot([*good, *reviewed, *enemy], trust).digest == take_snapshot([*good, *reviewed], trust).digest
        )


@pytest.mark.parametrize(("wrong", "trusted"), [(0, True), (1, True), (2, False)])
def test_a_good_record_is_trusted(wrong, trusted):
    reviewed = [entry(n, verdict="accepted", digit=7 if n >= wrong else 1) for n in range(RECORD)]

    assert (99 in chosen([*reviewed, entry(99)], trust=2)) is trusted
    assert 99 not in chosen([*reviewed[1:], entry(99)], trust=2)
    assert rate_contributors(reviewed) == {"c": (RECORD, RECORD - wrong)}


def test_non_digits_of_evaluating_contributors_are_left_out():
    """Otherwise it would be in no split, and count as new forever."""
    entries = [entry(n, contributor=f"hand {n}", verdict="accepted", digit=None) for n in range(40)]

    snapshot = take_snapshot(entries)

    assert 0 < len(snapshot.examples) < 40
    assert snapshot.splits() == {"users_train": list(snapshot.examples), "users": []}
