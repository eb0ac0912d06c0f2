"""Corrections in a chat: the real bot in a separate process, over HTTP, against a loopback Bot API."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from loopback_bot_api import Call, LoopbackBotApi
from running_bot import RunningBot, running
from tiny_model import picture, push

from serving_bot.feedback.contribution import Contribution
from serving_bot.feedback.contributors import Contributors
from serving_bot.feedback.store import Store

VERSION = 1763800000
CHATS = count(1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder with `models`, and a place for `feedback` and `state`."""
    folder = tmp_path_factory.mktemp("bot")
    push(folder / "models", VERSION)
    return folder


@pytest.fixture(scope="module")
def running_api(folders):
    """The loopback Bot API with one bot for all tests here; each test is another person."""
    options = ("--feedback-dir", str(folders / "feedback"), "--state-dir", str(folders / "state"))
    with (
        LoopbackBotApi() as api,
        running(api, folders / "models", *options, "--pictures-per-minute", "10000"),
    ):
        yield api


@dataclass
class Person:
    """A user in a private chat with the bot, and the results of their actions."""

    api: LoopbackBotApi
    folders: Path
    chat: int = field(default_factory=lambda: next(CHATS))

    def __post_init__(self) -> None:
        self._seen = len(self.api.calls)

    def send(self, digits: str | bytes) -> Call:
        """Sends a picture; returns the bot's answer."""
        data = digits if isinstance(digits, bytes) else picture(digits)
        return self.answer_to(self.api.photo(data, chat=self.chat))

    def reply(self, to: Call, text: str) -> str:
        """Replies to a message of the bot; returns the bot's answer."""
        return self.answer_to(self.api.reply(to, text, chat=self.chat)).parameters["text"]

    def answer_to(self, message: int) -> Call:
        return self.api.wait(lambda: self.api.answers(self.chat, message))[0]

    def press(self, message: Call, data: str, **how: Any) -> None:
        self.api.press(message, self.chat, data=data, **how)

    def choose(self, question: Call, choice: str, **how: Any) -> None:
        """Presses `yes`, `tell` or `no` under a question for consent."""
        keys = {data.split(":")[1]: data for data in self.api.buttons(question)}
        self.press(question, keys[choice], **how)

    def consent_asked(self) -> Call:
        """The question whether corrections may be kept."""
        return self.wait_for("sendMessage", "28×28")

    def wait_for(self, method: str, words: str) -> Call:
        """A message to this user with the given text, sent or edited."""

        def found() -> list[Call]:
            calls = [c for c in self.api.called(method) if int(c.parameters["chat_id"]) == self.chat]
            return [c for c in calls if words in c.parameters["text"]]

        return self.api.wait(found)[-1]

    def agree(self, choice: str = "yes") -> None:
        """Agrees, by the first button pressed under a first answer, of a 0."""
        self.press(self.send("0"), "right")
        self.choose(self.consent_asked(), choice)
        self.kept(1)

    def toasts(self) -> list[str]:
        """The notices of buttons since this user's start."""
        calls = self.api.calls[self._seen :]
        return [call.parameters.get("text", "") for call in calls if call.method == "answerCallbackQuery"]

    def contributions(self) -> list[Contribution]:
        name = Contributors(self.folders / "state" / "feedback-keys").name(self.chat)
        return [entry.contribution for entry in Store(str(self.folders / "feedback")).entries(name)]

    def kept(self, number: int) -> list[Contribution]:
        """The contributions, once there are that many."""
        deadline = time.monotonic() + 20
        while len(found := self.contributions()) < number:
            assert time.monotonic() < deadline, f"{len(found)} of {number}"
            time.sleep(0.02)
        return found


@pytest.fixture
def anna(running_api, folders):
    return Person(running_api, folders)


@pytest.fixture
def ben(running_api, folders):
    return Person(running_api, folders)


def test_the_first_tap_asks_for_consent_and_counts_after_a_yes(anna):
    answer = anna.send("2580")
    assert anna.api.buttons(answer) == ["right", "wrong", f"saw:{VERSION}"]

    anna.press(answer, "right")
    question = anna.consent_asked()
    assert anna.contributions() == []
    anna.choose(question, "yes")

    contributions = anna.kept(4)
    assert [one.said for one in sorted(contributions, key=lambda one: one.answered)] == [0, 2, 5, 8]
    assert all(one.said == one.answered and one.version == VERSION for one in contributions)
    assert all(one.image.shape == (28, 28) and one.image.max() > 200 for one in contributions)
    assert len({one.contributor for one in contributions}) == 1
    anna.api.wait(lambda: anna.api.buttons(answer) == [f"saw:{VERSION}"])
    anna.wait_for("editMessageText", "Thank you, noted.")
    assert "Anna" not in "".join(map(str, (anna.folders / "feedback").rglob("*")))


def test_a_no_is_remembered(anna):
    answer = anna.send("7")
    anna.press(answer, "wrong")
    anna.choose(anna.consent_asked(), "no")
    anna.api.wait(lambda: anna.api.buttons(answer) == [f"saw:{VERSION}"])

    assert anna.api.buttons(anna.send("7")) == [f"saw:{VERSION}"]
    assert anna.contributions() == []


def test_only_the_user_can_give_consent(anna, ben):
    anna.press(anna.send("7"), "right")

    anna.choose(anna.consent_asked(), "yes", user=ben.chat)

    anna.api.wait(lambda: "This question is for somebody else." in anna.toasts())
    assert anna.contributions() == ben.contributions() == []


def test_a_wrong_digit_is_corrected_on_the_keypad_and_a_double_tap_counts_once(anna):
    anna.agree()
    answer = anna.send("7")

    anna.press(answer, "wrong")
    anna.api.wait(lambda: "is:1" in anna.api.buttons(answer))
    anna.press(answer, "back")
    anna.api.wait(lambda: "wrong" in anna.api.buttons(answer))
    anna.press(answer, "wrong")
    anna.api.wait(lambda: "is:1" in anna.api.buttons(answer))
    anna.press(answer, "is:1")
    anna.press(answer, "is:1")
    anna.api.wait(lambda: anna.toasts().count("Somebody has already told me.") == 1)
    anna.press(answer, "is:4")  # (updates are handled side by side: pressed at once, it might be the first)

    anna.api.wait(lambda: anna.toasts().count("Somebody has already told me.") == 2)
    (one,) = [one for one in anna.kept(2) if one.corrects]
    assert (one.said, one.answered, one.corrects) == (1, 7, True)
    assert anna.api.buttons(answer) == [f"saw:{VERSION}"]


def test_a_number_is_corrected_by_a_reply_to_the_question_or_to_the_answer(anna):
    anna.agree()
    anna.press(anna.send("2580"), "wrong")
    question = anna.wait_for("sendMessage", "What is the right number?")
    assert anna.reply(question, "2530") == "Thank you, noted."

    assert anna.reply(anna.send("14"), "1 7") == "Thank you, noted."
    assert "differs too much" in anna.reply(anna.send("2580"), "1369")

    contributions = anna.kept(7)
    assert len(contributions) == 7
    assert sorted((one.answered, one.said) for one in contributions if one.corrects) == [(4, 7), (8, 3)]


def test_non_digits_are_stored_as_such(anna):
    anna.agree()
    answer = anna.send("25")
    anna.press(answer, "wrong")
    anna.api.wait(lambda: "is:-" in anna.api.buttons(answer))

    anna.press(answer, "is:-")

    assert [one.said for one in anna.kept(3)].count(None) == 2


def test_a_reaction_counts_like_a_button(anna):
    anna.agree()
    liked, disliked = anna.send("3"), anna.send("6")

    anna.api.react(liked, "👍", anna.chat)
    anna.api.react(disliked, "👎", anna.chat)
    anna.api.wait(lambda: "is:1" in anna.api.buttons(disliked))
    anna.api.react(liked, "🎉", anna.chat)

    assert sorted(one.said for one in anna.kept(2)) == [0, 3]


def test_forget_deletes_only_this_users_contributions(anna, ben):
    anna.agree("tell")
    ben.agree("tell")
    gone = anna.contributions()[0].contributor

    anna.api.text("/forget", chat=anna.chat)

    anna.wait_for("sendMessage", "Done: everything you contributed is deleted, and your consent with it.")
    assert len(ben.contributions()) == 1
    assert not list((anna.folders / "feedback").rglob(f"*{gone}*"))


def test_privacy_explains_storage_and_changes_the_decision(anna):
    anna.agree()
    anna.api.text("/privacy", language="ru", chat=anna.chat)
    question = anna.wait_for("sendMessage", "Сейчас ваши исправления сохраняются.")
    anna.choose(question, "tell", language="ru")
    anna.wait_for("editMessageText", "я напишу, когда новая версия прочтёт")
    anna.api.text("/privacy", language="ru", chat=anna.chat)
    question = anna.wait_for("sendMessage", "и я пишу вам")

    anna.choose(question, "no", language="ru")
    anna.wait_for("editMessageText", "ничего не храню")

    assert anna.api.buttons(anna.send("3")) == [f"saw:{VERSION}"]


def test_in_a_group_the_bot_does_not_offer_to_tell(anna):
    group = -500
    mention = {"caption": "@loopback_digits_bot", "photo": anna.api._sizes(picture("4"))}
    message = anna.api.message(mention, chat=group, kind="supergroup")
    answer = anna.api.wait(lambda: anna.api.answers(group, message))[0]

    anna.api.press(answer, group, data="right", user=anna.chat)

    anna.chat, person = group, anna.chat
    choices = anna.api.buttons(anna.consent_asked())
    assert [data.split(":")[1:3] for data in choices] == [["yes", str(person)], ["no", str(person)]]


def test_each_answer_of_an_album_can_be_judged(anna):
    anna.agree()
    first, _ = (anna.api.photo(picture(digits), chat=anna.chat, album=f"a{anna.chat}") for digits in ("25", "7"))
    album = anna.answer_to(first)
    assert anna.api.buttons(album) == ["part:1", "part:2", f"saw:{VERSION}"]

    anna.press(album, "part:2")
    anna.press(album, "part:2")
    second = anna.answer_to(first + 1)
    assert anna.api.buttons(second) == ["right", "wrong", f"saw:{VERSION}"]
    anna.api.wait(lambda: anna.api.buttons(album) == ["part:1", f"saw:{VERSION}"])
    anna.press(second, "wrong")
    anna.api.wait(lambda: "is:1" in anna.api.buttons(second))
    anna.press(second, "is:1")
    anna.press(album, f"saw:{VERSION}")

    assert [(one.answered, one.said) for one in anna.kept(2) if one.corrects] == [(7, 1)]
    anna.api.wait(lambda: anna.api.buttons(album) == ["part:1"])
    assert len(anna.api.answers(anna.chat, first + 1)) == 1


def test_an_answer_with_very_many_digits_is_not_asked_about(anna):
    rows = [cv2.imdecode(np.frombuffer(picture("2580147", suffix=".png"), np.uint8), 1) for _ in range(6)]
    page = cv2.imencode(".png", np.vstack(rows))[1].tobytes()

    assert anna.api.buttons(anna.send(page)) == [f"saw:{VERSION}"]


@pytest.mark.parametrize(
    ("people", "each", "kills"), [(1, 10, 1), pytest.param(20, 100, 8, marks=pytest.mark.faults)], ids=["few", "2,000"]
)
def test_kills_and_an_absent_store_neither_lose_nor_double_contributions(folders, tmp_path, people, each, kills):
    """Buttons are tapped twice all the while."""
    feedback, away, state = tmp_path / "feedback", tmp_path / "away", tmp_path / "state"
    with LoopbackBotApi() as api:
        everybody = [Person(api, tmp_path) for _ in range(people)]
        arguments = ["--api-url", api.url, "--push-dir", str(folders / "models"), "--feedback-dir", str(feedback)]
        arguments += ["--state-dir", str(state), "--pictures-per-minute", "100000"]
        bot = RunningBot(arguments)
        try:
            for person in everybody:
                person.agree()
            sent = [(person, person.send(f"{number % 10}")) for number in range(each) for person in everybody]
            for place, (person, answer) in enumerate(sent):
                if place % 300 in (0, 150):  # the store goes away, and comes back
                    _toggle(feedback, away)
                person.press(answer, "right")
                person.press(answer, "right")
                if place % (len(sent) // kills) == 0.7 * len(sent) // kills:
                    bot.process.kill()  # with taps confirmed, kept, and not yet received
                    bot.end()
                    keys = state / "feedback-keys"
                    keys.write_text(f"{'0' * 64}\n{keys.read_text()}")  # (a rotated key changes nobody's code)
                    bot = RunningBot(arguments)
            api.wait(lambda: all("right" not in api.buttons(answer) for _, answer in sent), 60 + len(sent) / 5)
            if away.exists():
                _toggle(feedback, away)
            bot.process.send_signal(signal.SIGTERM)  # the queue is delivered at the stop, if not before
            bot.end()
        finally:
            bot.process.kill()
        # The bot does not know an answer that was sent right before a kill, and says so.
        refused = [answer for _, answer in sent if not api.buttons(answer)]
        toasts = everybody[0].toasts()

    entries = Store(str(feedback)).entries()
    print(f"{len(sent)} answers, {kills} kills: {len(entries) - people} kept, {len(refused)} refused with a word")
    assert len(refused) <= 2 * kills
    assert refused == [] or "I no longer know that picture. Please send it again." in toasts
    assert len(entries) == people + len(sent) - len(refused)
    assert len({entry.contribution.id for entry in entries}) == len(entries)
    assert len({entry.contribution.contributor for entry in entries}) == people


def _toggle(feedback: Path, away: Path) -> None:
    """Replaces the feedback folder with a file, or restores it."""
    if away.exists():
        os.unlink(feedback)
        shutil.move(away, feedback)
    else:
        shutil.move(feedback, away)
        feedback.write_text("in the way")
