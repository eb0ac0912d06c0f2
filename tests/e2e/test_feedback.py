"""Corrections in a chat: the real bot as a process of its own, over HTTP, against a loopback Bot API."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from loopback_bot_api import Call, LoopbackBotApi
from running_bot import RunningBot, running
from tiny_model import picture, push

from serving_bot.feedback.store import Store


@pytest.fixture
def api():
    with LoopbackBotApi() as api:
        yield api


@pytest.fixture
def push_dir(tmp_path):
    push(tmp_path / "models", 1763800000)
    return tmp_path / "models"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "feedback"


@pytest.fixture
def bot(api, push_dir, folder, tmp_path):
    options = ("--feedback-dir", str(folder), "--state-dir", str(tmp_path / "state"))
    with running(api, push_dir, *options, "--pictures-per-minute", "10000") as bot:
        yield bot


def answer_to(api: LoopbackBotApi, message: int, chat: int = 1) -> Call:
    """The bot's answer to a message, once it has been sent."""
    return api.wait(lambda: api.answers(chat, message))[0]


def toasts(api: LoopbackBotApi) -> list[str]:
    return [call.parameters.get("text", "") for call in api.called("answerCallbackQuery")]


def consent_asked(api: LoopbackBotApi, count: int = 1) -> Call:
    """The question whether corrections may be kept."""

    def asked() -> list[Call]:
        return [call for call in api.called("sendMessage") if "28×28" in call.parameters["text"]]

    return api.wait(lambda: len(asked()) >= count and asked()[-1])


def agree(api: LoopbackBotApi, chat: int = 1) -> None:
    """Has somebody agree, by the first button pressed under a first answer."""
    answer = answer_to(api, api.photo(picture("0"), chat=chat), chat)
    api.press(answer, chat, data="right")
    question = consent_asked(api)
    api.press(question, chat, data=api.buttons(question)[0])


def kept(folder: Path, count: int) -> list:
    """The contributions, once there are so many."""
    deadline = time.monotonic() + 20
    while len(entries := Store(str(folder)).entries()) < count:
        assert time.monotonic() < deadline, f"{len(entries)} of {count}"
        time.sleep(0.05)
    return [entry.contribution for entry in entries]


@pytest.mark.usefixtures("bot")
def test_the_first_tap_asks_for_consent_and_is_taken_up_after_a_yes(api, folder):
    answer = answer_to(api, api.photo(picture("2580")))
    assert api.buttons(answer) == ["right", "wrong", "saw:1763800000"]

    api.press(answer, data="right")
    question = consent_asked(api)
    assert not folder.exists()
    api.press(question, data=api.buttons(question)[0])

    contributions = kept(folder, 4)
    assert [one.said for one in sorted(contributions, key=lambda one: one.answered)] == [0, 2, 5, 8]
    assert all(one.said == one.answered and one.version == 1763800000 for one in contributions)
    assert all(one.image.shape == (28, 28) and one.image.max() > 200 for one in contributions)
    assert len({one.contributor for one in contributions}) == 1
    api.wait(lambda: api.buttons(answer) == ["saw:1763800000"])
    assert api.wait(lambda: api.called("editMessageText"))[-1].parameters["text"] == "Thank you, noted."
    assert "Anna" not in "".join(map(str, folder.rglob("*")))


@pytest.mark.usefixtures("bot")
def test_a_no_is_remembered_and_nothing_is_asked_again(api, folder):
    answer = answer_to(api, api.photo(picture("7")))
    api.press(answer, data="wrong")
    question = consent_asked(api)
    api.press(question, data=api.buttons(question)[1])
    api.wait(lambda: api.buttons(answer) == ["saw:1763800000"])

    later = answer_to(api, api.photo(picture("7")))

    assert api.buttons(later) == ["saw:1763800000"]
    assert not folder.exists()


@pytest.mark.usefixtures("bot")
def test_somebody_else_cannot_agree_for_a_person(api, folder):
    answer = answer_to(api, api.photo(picture("7")))
    api.press(answer, data="right")
    question = consent_asked(api)

    api.press(question, data=api.buttons(question)[0], user=99)

    api.wait(lambda: "This question is for somebody else." in toasts(api))
    assert not folder.exists()


@pytest.mark.usefixtures("bot")
def test_a_wrong_digit_is_corrected_on_the_keypad_and_a_double_tap_counts_once(api, folder):
    agree(api)
    kept(folder, 1)
    answer = answer_to(api, api.photo(picture("7")))

    api.press(answer, data="wrong")
    api.wait(lambda: "is:1" in api.buttons(answer))
    api.press(answer, data="back")
    api.wait(lambda: "wrong" in api.buttons(answer))
    api.press(answer, data="wrong")
    api.wait(lambda: "is:1" in api.buttons(answer))
    api.press(answer, data="is:1")
    api.press(answer, data="is:1")
    api.wait(lambda: toasts(api).count("Somebody has already told me.") == 1)
    api.press(answer, data="is:4")  # (updates are handled side by side: pressed at once, it might be the first)

    api.wait(lambda: toasts(api).count("Somebody has already told me.") == 2)
    (one,) = [one for one in kept(folder, 2) if one.corrects]
    assert (one.said, one.answered, one.corrects) == (1, 7, True)
    assert api.buttons(answer) == ["saw:1763800000"]


@pytest.mark.usefixtures("bot")
def test_a_number_is_corrected_by_a_reply_to_the_question_or_to_the_answer(api, folder):
    agree(api)
    kept(folder, 1)
    first = answer_to(api, api.photo(picture("2580")))
    api.press(first, data="wrong")
    question = api.wait(
        lambda: [c for c in api.called("sendMessage") if "What is the right number?" in c.parameters["text"]]
    )[0]
    assert api.wait(lambda: answer_to(api, api.reply(question, "2530"))).parameters["text"] == "Thank you, noted."

    second = answer_to(api, api.photo(picture("14")))
    assert answer_to(api, api.reply(second, "1 7")).parameters["text"] == "Thank you, noted."
    assert (
        "differs too much"
        in answer_to(api, api.reply(answer_to(api, api.photo(picture("2580"))), "1369")).parameters["text"]
    )

    contributions = kept(folder, 7)
    assert len(contributions) == 7
    assert sorted((one.answered, one.said) for one in contributions if one.corrects) == [(4, 7), (8, 3)]


@pytest.mark.usefixtures("bot")
def test_what_is_no_number_is_kept_as_that(api, folder):
    agree(api)
    kept(folder, 1)
    answer = answer_to(api, api.photo(picture("25")))
    api.press(answer, data="wrong")
    api.wait(lambda: "is:-" in api.buttons(answer))

    api.press(answer, data="is:-")

    assert [one.said for one in kept(folder, 3)].count(None) == 2


@pytest.mark.usefixtures("bot")
def test_a_reaction_counts_as_the_buttons_do(api, folder):
    agree(api)
    kept(folder, 1)
    liked, disliked = (answer_to(api, api.photo(picture(digit))) for digit in "36")

    api.react(liked, "👍")
    api.react(disliked, "👎")
    api.wait(lambda: "is:1" in api.buttons(disliked))
    api.react(liked, "🎉")

    assert sorted(one.said for one in kept(folder, 2)) == [0, 3]


@pytest.mark.usefixtures("bot")
def test_forget_deletes_everything_of_a_person_and_of_nobody_else(api, folder):
    agree(api, chat=1)
    kept(folder, 1)
    other = answer_to(api, api.photo(picture("9"), chat=2), 2)
    api.press(other, 2, data="right")
    question = consent_asked(api, 2)
    api.press(question, 2, data=api.buttons(question)[0])
    before = kept(folder, 2)

    api.text("/forget", chat=1)

    api.wait(lambda: "Done: everything you contributed is deleted, and your consent with it." in api.said(1))
    (left,) = [entry.contribution for entry in Store(str(folder)).entries()]
    assert left.said == 9
    gone = next(one.contributor for one in before if one.said != 9)
    assert not list(folder.rglob(f"*{gone}*"))


@pytest.mark.usefixtures("bot")
def test_privacy_says_what_is_kept_and_changes_it(api, folder):
    agree(api)
    kept(folder, 1)
    api.text("/privacy", language="ru")
    told = api.wait(
        lambda: [c for c in api.called("sendMessage") if "Сейчас ваши исправления сохраняются" in c.parameters["text"]]
    )[0]

    api.press(told, data=api.buttons(told)[1], language="ru")
    api.wait(lambda: [c for c in api.called("editMessageText") if "ничего не храню" in c.parameters["text"]])

    assert api.buttons(answer_to(api, api.photo(picture("3")))) == ["saw:1763800000"]


@pytest.mark.usefixtures("bot")
def test_an_answer_with_very_many_digits_is_not_asked_about(api):
    rows = [cv2.imdecode(np.frombuffer(picture("2580147", suffix=".png"), np.uint8), 1) for _ in range(6)]
    page = cv2.imencode(".png", np.vstack(rows))[1].tobytes()

    assert api.buttons(answer_to(api, api.photo(page))) == ["saw:1763800000"]


def test_without_a_folder_nobody_is_asked(api, push_dir):
    with running(api, push_dir):
        assert api.buttons(answer_to(api, api.photo(picture("3")))) == ["saw:1763800000"]


def test_neither_a_kill_nor_a_store_that_is_away_loses_or_doubles_a_contribution(api, push_dir, folder, tmp_path):
    state = tmp_path / "state"
    arguments = ["--api-url", api.url, "--push-dir", str(push_dir), "--feedback-dir", str(folder)]
    arguments += ["--state-dir", str(state), "--pictures-per-minute", "100000"]
    bot = RunningBot(arguments)
    try:
        agree(api)
        kept(folder, 1)
        answers = [answer_to(api, api.photo(picture(f"{n % 10}"))) for n in range(30)]
        shutil.move(folder, tmp_path / "away")
        folder.write_text("in the way")
        for place, answer in enumerate(answers):
            api.press(answer, data="right")
            api.press(answer, data="right")
            if place == 20:
                bot.process.kill()  # with taps confirmed, kept, and not yet received
                bot.end()
                bot = RunningBot(arguments)
        api.wait(lambda: all("right" not in api.buttons(answer) for answer in answers), 60)
        os.unlink(folder)
        shutil.move(tmp_path / "away", folder)
        bot.process.send_signal(signal.SIGTERM)  # what waits is handed over at the stop, if not before
        bot.end()
    finally:
        bot.process.kill()

    entries = Store(str(folder)).entries()
    # An answer that was sent right before the kill is not known after it, which is said.
    refused = [answer for answer in answers if not api.buttons(answer)]
    assert len(refused) <= 2
    assert refused == [] or "I no longer know that picture. Please send it again." in toasts(api)
    assert len(entries) == 31 - len(refused)
    assert len({entry.contribution.id for entry in entries}) == len(entries)
