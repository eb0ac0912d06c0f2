import asyncio
from datetime import datetime, timezone

import pytest
from loopback_bot_api import TOKEN, Fault, LoopbackBotApi
from telegram.ext import ExtBot
from tiny_model import flatbuffer, push, templates

from serving_bot.feedback.contribution import Contribution
from serving_bot.feedback.contributors import Contributors
from serving_bot.feedback.outbox import Listener, Outbox
from serving_bot.feedback.store import Store
from serving_bot.telegram import telling as module
from serving_bot.telegram.albums import Albums
from serving_bot.telegram.context import PictureLimit, Services
from serving_bot.telegram.feedback import Feedback
from serving_bot.telegram.journal import Journal
from serving_bot.telegram.metrics import Metrics
from serving_bot.telegram.telling import Telling, count_learned
from serving_bot.telegram.texts import Languages
from serving_bot.versions.folder import Version
from serving_bot.versions.hot_swap import ModelServer, ServedModel

SWAPPED = [0, 7, 2, 3, 4, 5, 6, 1, 8, 9]  # takes a 1 for a 7, and a 7 for a 1: what is "corrected" here


@pytest.fixture
def api():
    with LoopbackBotApi() as api:
        api.chats |= {1, 2}
        yield api


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_S", 0)
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)


class Place:
    """A bot's folders: each `tell` is a bot that is started there, serves a version, and is stopped."""

    def __init__(self, folder, api):
        self.folder, self.api = folder, api
        self.contributors = Contributors(folder / "keys")
        self.store = Store(str(folder / "feedback"))
        self.metrics = Metrics()
        with_outbox = self.outbox()
        for user in (1, 2):
            with_outbox.note_consent(self.contributors.name(user), given=True)
        with_outbox.close()

    def outbox(self):
        return Outbox(self.folder / "state.sqlite", per_day=200)

    def listen(self, user, language="en"):
        outbox = self.outbox()
        outbox.note_consent(self.contributors.name(user), given=True, listener=Listener(user, language))
        outbox.close()

    def correct(self, user, number, answered, said, verdict=None, digit=None, version=1):
        name = self.contributors.name(user)
        image, now = templates()[answered], datetime.now(timezone.utc)
        one = Contribution(
            id=f"{number:032x}",
            contributor=name,
            image=image,
            said=said,
            answered=answered,
            probability=0.9,
            version=version,
            at=now,
        )
        self.store.add(one.id, name, one.to_png())
        if verdict:
            self.store.review(one, verdict, digit)

    def serve(self, version):
        folder = self.folder / "models"
        path = folder / str(version)
        if not path.exists():
            push(folder, version, flatbuffer(SWAPPED if version > 1 else range(10)))
        return ServedModel.load(Version(version, str(path)), 1)

    def tell(self, version, meanwhile=lambda: None, allowed=frozenset()):
        model = self.serve(version)

        async def work():
            models = ModelServer(str(self.folder / "models"), 1)
            feedback = Feedback(self.outbox(), self.contributors, self.store, self.metrics)
            journal = Journal(None)
            services = Services(
                models, Languages(), self.metrics, PictureLimit(30), Albums(), journal, allowed_chats=allowed
            )
            async with ExtBot(TOKEN, base_url=f"{self.api.url}/bot") as bot:
                telling = Telling(bot, services)
                models.current = model
                task = asyncio.create_task(telling.run(feedback))
                for _ in range(100):
                    telling.look()
                    meanwhile()
                    await asyncio.sleep(0.05)
                    if telling.told == version:
                        break
                else:
                    raise AssertionError("still waiting")
                task.cancel()
                models.close()
                journal.close()
                feedback.outbox.close()

        asyncio.run(work())

    def said(self):
        return [(int(c.parameters["chat_id"]), c.parameters["text"]) for c in self.api.called("sendMessage")]


@pytest.fixture
def place(tmp_path, api):
    return Place(tmp_path, api)


def test_who_wants_to_hear_is_told_once_a_version_and_nobody_else(place):
    for user in (1, 2):
        for number in range(3):
            place.correct(user, 10 * user + number, answered=7, said=1 if number else 4)
    place.listen(1)
    place.tell(1)
    assert place.said() == []

    place.tell(2)
    place.tell(2)  # started again

    stops = "Thank you! /privacy stops these messages."
    assert place.said() == [(1, f"Now I read 2 of the 3 digits that you corrected. {stops}")]
    place.tell(3)  # which reads no more of them
    assert len(place.said()) == 1
    place.correct(1, 99, answered=7, said=1)
    place.tell(1)  # rolled back
    assert len(place.said()) == 1
    place.tell(4)
    assert place.said()[1:] == [(1, f"Now I read 3 of the 4 digits that you corrected. {stops}")]


def test_it_is_told_in_the_listener_s_language(place):
    place.correct(2, 1, answered=7, said=1)
    place.listen(2, "ru")

    place.tell(2)

    ((chat, text),) = place.said()
    assert (chat, text.startswith("Теперь я читаю 1 из 1 исправленной вами цифры.")) == (2, True)


def test_who_changes_their_mind_or_is_forgotten_is_not_told(place):
    for user in (1, 2):
        place.correct(user, user, answered=7, said=1)
        place.listen(user)
    outbox = place.outbox()
    outbox.note_consent(place.contributors.name(1), given=True)
    outbox.forget(place.contributors.names(2))
    assert outbox.next_listener(2) is None
    outbox.close()

    place.tell(2)

    assert place.said() == []


@pytest.mark.parametrize("fault", [Fault(status=403), Fault(status=500)], ids=["blocked", "failed"])
def test_nobody_is_told_again_after_a_message_that_did_not_arrive(place, fault):
    place.correct(1, 1, answered=7, said=1)
    place.listen(1)
    place.api.fault = lambda method: fault if method == "sendMessage" else None
    place.tell(2)
    place.api.fault = lambda method: None

    place.tell(2)

    outbox = place.outbox()
    assert place.said() == []
    assert (outbox.next_listener(3) is None) == (fault.status == 403)  # (who has blocked the bot is left alone)
    outbox.close()


def test_a_chat_that_is_no_longer_allowed_is_not_written_to(place):
    place.correct(1, 1, answered=7, said=1)
    place.listen(1)

    place.tell(2, allowed=frozenset({2}))

    assert place.said() == []


def test_a_store_that_cannot_be_read_delays_it(place):
    place.correct(1, 1, answered=7, said=1)
    place.listen(1)
    (damaged,) = (place.folder / "feedback").rglob("*.png")
    content = damaged.read_bytes()
    damaged.write_bytes(content[:50])
    looks = iter(range(100))

    def meanwhile():
        if next(looks) == 5:
            assert place.said() == []
            damaged.write_bytes(content)

    place.tell(2, meanwhile)

    assert len(place.said()) == 1


def test_what_counts_as_learned(place):
    place.correct(1, 1, answered=7, said=1)
    place.correct(1, 2, answered=7, said=1, verdict="rejected")
    place.correct(1, 3, answered=7, said=4, verdict="accepted", digit=1)
    place.correct(1, 4, answered=7, said=1, verdict="accepted", digit=7)  # the answer was right after all
    place.correct(1, 5, answered=7, said=7)
    place.correct(1, 6, answered=7, said=None)
    place.correct(1, 7, answered=3, said=8)
    place.correct(1, 8, answered=7, said=1, version=2)  # by the same model

    assert count_learned(place.store.entries(), place.serve(2)) == (2, 3)
    assert count_learned([], place.serve(2)) == (0, 0)
