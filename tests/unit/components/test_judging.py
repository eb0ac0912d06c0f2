"""Judging on synthetic pictures, with classifiers whose answers are known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from components import judging
from components.judging import OTHERS, PAGES, Judged, Judgement, judge, make_pictures
from models.synthesis.pages import NON_DIGITS


def judged(kind, label, text, sure):
    return Judged(kind, label, b"", text, sure)


JUDGEMENT = Judgement(
    (
        judged("digit", "7", "7", True),
        judged("digit", "7", "1", True),
        judged("two joined digits", "12", "12", False),
        judged("two joined digits", "12", "12", True),
        judged("letter", "", "4", True),
        judged("blank", "", "", False),
    )
)


def test_doubt_is_neither_right_nor_wrong_on_digits_and_right_on_non_digits():
    assert JUDGEMENT.pages_accuracy == 0.5
    assert JUDGEMENT.pages_wrong == 0.25
    assert JUDGEMENT.refusal == 0.5
    assert JUDGEMENT.by_kind() == {"digit": 0.5, "two joined digits": 0.5, "letter": 0, "blank": 1}


def test_only_a_missed_threshold_has_a_message_with_the_worst_kinds():
    assert JUDGEMENT.misses({"min_pages_accuracy": 0.5, "min_refusal": 0.5}) == []
    assert JUDGEMENT.misses({}) == []
    assert JUDGEMENT.misses({"min_pages_accuracy": 0.6, "min_refusal": 0.8}) == [
        "50.00% of synthetic pages get a confident right answer, below --min-pages-accuracy 60.00% "
        "(the worst: digit 50%, two joined digits 50%)",
        "50.00% of the pictures without a digit get no confident answer, below --min-refusal 80.00% "
        "(the worst: letter 0%, blank 100%)",
    ]


def test_a_model_that_reads_pictures_worse_than_the_baseline_has_a_message():
    better = Judgement(tuple(replace(one, text=one.label, sure=bool(one.label)) for one in JUDGEMENT.pictures))

    assert better.misses({"max_pictures_drop": 0.0}, JUDGEMENT) == []
    assert JUDGEMENT.misses({"max_pictures_drop": 0.5}, better) == []
    assert JUDGEMENT.misses({"min_refusal": 0.8, "max_pictures_drop": 0.4}, better) == [
        "50.00% of synthetic pages get a confident right answer, 50.00 points below the baseline's 100.00%; "
        "--max-pictures-drop allows 40.00 (the worst: digit 50%, two joined digits 50%)",
        "50.00% of the pictures without a digit get no confident answer, below --min-refusal 80.00% "
        "(the worst: letter 0%, blank 100%)",
    ]


@pytest.fixture
def few_pages(monkeypatch):
    """Two pages of each kind: composing and reading all takes long."""
    few = dict.fromkeys(PAGES, 2)
    monkeypatch.setattr(judging, "PAGES", few)
    return few


@pytest.fixture
def certain():
    """Classifies everything as 3, with certainty."""
    return SimpleNamespace(card={}, predict=lambda images: np.eye(10, dtype=np.float32)[np.full(len(images), 3)])


def test_a_model_that_sees_digits_everywhere_abstains_only_on_blank_pictures(certain, few_pages, some_test_images):
    judgement = judge(certain, make_pictures(*some_test_images))
    shares = judgement.by_kind()
    assert set(shares) == {*PAGES, *NON_DIGITS}
    assert len(judgement.pictures) == sum(few_pages.values()) + OTHERS * len(NON_DIGITS)
    assert shares["blank"] >= 0.5
    assert shares["letter"] < 0.4
    assert judgement.refusal < 0.8
    assert judgement.pages_accuracy < 0.4


def test_every_model_gets_the_same_pictures(few_pages, some_test_images, monkeypatch):
    monkeypatch.setattr(judging, "OTHERS", 1)
    first, again = (list(make_pictures(*some_test_images)) for _ in range(2))
    assert first == again
    assert len(first) == sum(few_pages.values()) + len(NON_DIGITS)
