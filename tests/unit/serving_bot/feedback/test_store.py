from dataclasses import replace
from datetime import datetime, timezone

import fsspec
import numpy as np
import pytest

from serving_bot.feedback.contribution import Contribution, FeedbackError
from serving_bot.feedback.contributors import Contributors
from serving_bot.feedback.store import Store

RNG = np.random.default_rng(1)


def contribution(**changes) -> Contribution:
    values = {
        "id": "a" * 32,
        "contributor": "c" * 32,
        "image": RNG.integers(0, 256, (28, 28), dtype=np.uint8),
        "said": 7,
        "answered": 1,
        "probability": 0.75,
        "version": 1763800000,
        "at": datetime(2026, 11, 27, 8, 0, 0, 5000, timezone.utc),
    }
    return Contribution(**{**values, **changes})


def add(store: Store, one: Contribution) -> None:
    store.add(one.id, one.contributor, one.to_png())


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    yield Store(str(tmp_path / "feedback") if request.param == "local" else "memory://feedback")
    fsspec.filesystem("memory").store.clear()


def test_a_contribution_comes_back_as_it_was(store):
    one = contribution()
    add(store, one)

    (entry,) = store.entries()

    assert replace(entry.contribution, image=one.image) == one
    assert np.array_equal(entry.contribution.image, one.image)
    assert entry.state == "waiting"


def test_stored_contributions_never_change(store):
    one = contribution()
    add(store, one)
    add(store, replace(one, said=3))

    assert [entry.contribution.said for entry in store.entries()] == [7]


def test_an_empty_folder_has_no_contributions(store):
    assert store.entries() == []
    assert store.forget(["c" * 32]) == 0


def test_a_review_decides_and_a_later_one_replaces_it(store):
    one = contribution()
    add(store, one)

    store.review(one, "accepted", 2)
    assert [(entry.state, entry.review.digit) for entry in store.entries()] == [("accepted", 2)]
    store.review(one, "rejected", None)
    assert [(entry.state, entry.review.digit) for entry in store.entries()] == [("rejected", None)]
    with pytest.raises(ValueError, match="outside"):
        store.review(one, "accepted", 10)


def test_forgetting_deletes_everything_of_a_person(store):
    mine, other = contribution(), contribution(id="b" * 32, contributor="d" * 32)
    for one in (mine, other):
        add(store, one)
        store.review(one, "accepted", 7)

    assert store.forget([mine.contributor, "e" * 32]) == 1

    assert [entry.contribution.id for entry in store.entries()] == [other.id]
    assert store.contributors() == {other.contributor}


def test_a_contribution_is_found_by_the_beginning_of_its_id(store):
    for name in ("ab", "ac"):
        add(store, contribution(id=name * 16))

    assert store.find("ab").contribution.id == "ab" * 16
    for prefix in ("a", "x", "", "a*", "*/ab"):
        with pytest.raises(FeedbackError, match="contribution"):
            store.find(prefix)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"not a picture"])
def test_the_error_names_a_damaged_file(tmp_path, content):
    store = Store(str(tmp_path))
    add(store, contribution())
    (path,) = tmp_path.rglob("*.png")
    path.write_bytes(content)

    with pytest.raises(FeedbackError, match=path.name):
        store.entries()


def test_the_error_names_a_damaged_review(tmp_path):
    store, one = Store(str(tmp_path)), contribution()
    add(store, one)
    store.review(one, "accepted", 7)
    (path,) = tmp_path.rglob("*.json")
    path.write_text('{"verdict": "perhaps"}')

    with pytest.raises(FeedbackError, match=path.name):
        store.entries()


def test_an_unwritable_folder_is_a_one_line_error(tmp_path):
    (tmp_path / "feedback").write_text("in the way")

    with pytest.raises(FeedbackError, match="could not be written"):
        add(Store(str(tmp_path / "feedback")), contribution())


def test_codes_come_from_a_key_and_old_keys_still_give_their_codes(tmp_path):
    path = tmp_path / "state" / "keys"
    contributors = Contributors(path)
    assert path.stat().st_mode & 0o077 == 0
    assert contributors.name(1) == Contributors(path).name(1)
    assert len({contributors.name(1), contributors.name(2), contributors.contribution_id(1, 1, 0)}) == 3

    path.write_text("f" * 64 + "\n" + path.read_text())

    rotated = Contributors(path)
    assert rotated.name(1) != contributors.name(1)
    assert rotated.names(1) == [rotated.name(1), contributors.name(1)]


@pytest.mark.parametrize("keys", ["", "short\n"])
def test_a_key_file_without_keys_is_refused(tmp_path, keys):
    (tmp_path / "keys").write_text(keys)

    with pytest.raises(FeedbackError, match="keys should hold"):
        Contributors(tmp_path / "keys")
