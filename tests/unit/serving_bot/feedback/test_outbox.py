from datetime import datetime, timezone

import numpy as np
import pytest

from serving_bot.feedback import outbox as outbox_module
from serving_bot.feedback.contribution import Contribution, FeedbackError
from serving_bot.feedback.outbox import JudgedAnswer, Listener, Outbox
from serving_bot.feedback.store import Store


def contributions(count: int, first: int = 0, contributor: str = "c" * 32) -> list[Contribution]:
    return [
        Contribution(
            id=f"{number:032x}",
            contributor=contributor,
            image=np.zeros((28, 28), np.uint8),
            said=1,
            answered=1,
            probability=0.9,
            version=1,
            at=datetime.now(timezone.utc),
        )
        for number in range(first, first + count)
    ]


def answer(message: int) -> JudgedAnswer:
    return JudgedAnswer(1, message, "file", 100, 1763800000, "25", sure=True)


@pytest.fixture
def outbox(tmp_path):
    outbox = Outbox(tmp_path / "state" / "feedback.sqlite", per_day=5)
    yield outbox
    outbox.close()


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "feedback"))


def test_an_answer_is_judged_once(outbox, store):
    outbox.note_answer(answer(7))

    assert outbox.keep(answer(7), contributions(2)) == "kept"
    assert outbox.keep(answer(7), contributions(2)) == "known"
    assert outbox.answer(1, 7).judged
    assert outbox.deliver(store) == 2
    assert outbox.waiting() == 0
    assert len(store.entries()) == 2


def test_an_unrecorded_answer_is_not_judged(outbox):
    assert outbox.answer(1, 8) is None
    assert outbox.keep(answer(8), contributions(1)) == "known"


def test_the_queue_survives_a_restart_and_repeated_deliveries_do_not_duplicate(tmp_path, outbox, store):
    outbox.note_answer(answer(7))
    outbox.keep(answer(7), contributions(2))
    again = Outbox(tmp_path / "state" / "feedback.sqlite", per_day=5)
    again.deliver(store)

    store.add(contributions(1)[0].id, "c" * 32, contributions(1)[0].to_png())  # killed after the store had it

    assert len(store.entries()) == 2
    again.close()


def test_contributions_wait_for_an_unreachable_store(tmp_path, outbox, store):
    outbox.note_answer(answer(7))
    outbox.keep(answer(7), contributions(2))
    (tmp_path / "feedback").write_text("in the way")

    with pytest.raises(FeedbackError):
        outbox.deliver(store)

    assert outbox.waiting() == 2
    (tmp_path / "feedback").unlink()
    assert outbox.deliver(store) == 2


def test_contributions_per_day_are_limited(outbox):
    for message in (1, 2):
        outbox.note_answer(answer(message))

    assert outbox.keep(answer(1), contributions(4)) == "kept"
    assert outbox.keep(answer(2), contributions(2, first=4)) == "too-many"
    assert outbox.keep(answer(2), contributions(2, first=4, contributor="d" * 32)) == "kept"


def test_a_full_outbox_refuses(outbox, monkeypatch):
    monkeypatch.setattr(outbox_module, "MOST_WAITING", 1)
    outbox.note_answer(answer(1))

    assert outbox.keep(answer(1), contributions(2)) == "full"
    assert outbox.waiting() == 0


def test_forgetting_includes_the_queue(outbox, store):
    for message, name in ((1, "c" * 32), (2, "d" * 32)):
        outbox.note_answer(answer(message))
        outbox.keep(answer(message), contributions(2, first=2 * message, contributor=name))
        outbox.note_consent(name, given=True)
    outbox.deliver(store)
    outbox.note_answer(answer(3))
    outbox.keep(answer(3), contributions(1, first=9))

    outbox.forget(["c" * 32, "e" * 32])

    assert outbox.consent("c" * 32) is None
    assert outbox.consent("d" * 32) is True
    outbox.deliver(store)
    assert store.contributors() == {"d" * 32}


def test_a_listener_is_handled_once_per_version(outbox):
    outbox.note_consent("c" * 32, given=True, listener=Listener(5, "ru"))
    listener = outbox.next_listener(7)

    assert listener == Listener(5, "ru", 0)
    assert outbox.note_told(listener, 7, learned=3)
    assert outbox.next_listener(7) is None
    assert outbox.next_listener(8) == Listener(5, "ru", 3)
    outbox.note_consent("c" * 32, given=True, listener=Listener(5, "ru"))  # agrees again
    assert outbox.next_listener(7) is None


@pytest.mark.parametrize(
    "end",
    [
        lambda outbox: outbox.forget(["c" * 32]),
        lambda outbox: outbox.note_consent("c" * 32, given=True),
        lambda outbox: outbox.note_consent("c" * 32, given=False),
        lambda outbox: outbox.drop_listener(Listener(0x12345678, "en")),
    ],
    ids=["forgets", "hears no more", "refuses", "cannot be reached"],
)
def test_a_former_listeners_chat_is_erased_on_disk(outbox, tmp_path, end):
    chat = 0x12345678
    outbox.note_consent("c" * 32, given=True, listener=Listener(chat, "en"))
    assert outbox.listens("c" * 32)

    end(outbox)

    assert not outbox.listens("c" * 32)
    assert not outbox.note_told(Listener(chat, "en"), 9, learned=1)
    outbox.close()
    files = list((tmp_path / "state").iterdir())
    assert not any(chat.to_bytes(4, "big") in file.read_bytes() for file in files)


def test_forgetting_during_a_delivery_deletes_the_contribution(outbox, store, monkeypatch):
    outbox.note_answer(answer(1))
    outbox.keep(answer(1), contributions(1))
    add = store.add

    def forgotten_meanwhile(*arguments):
        monkeypatch.setattr(store, "add", add)
        outbox.forget(["c" * 32])
        add(*arguments)

    monkeypatch.setattr(store, "add", forgotten_meanwhile)
    outbox.deliver(store)

    assert store.entries() == []
    assert outbox.waiting() == 0
