"""The real bot in a separate process, over HTTP, against a loopback Bot API."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from loopback_bot_api import TOKEN, Fault, LoopbackBotApi, texts_of
from running_bot import COMMAND, ROOT, RunningBot, free_port, running, version_of
from tiny_model import flatbuffer, picture, push

from serving_bot.telegram.metrics import Metrics, serve_metrics
from serving_bot.telegram.texts import LANGUAGES

CHATS = itertools.count(1)
SECRET = TOKEN.partition(":")[2]


def ended(*arguments: str, token: str | None = TOKEN) -> tuple[int, str]:
    """Exit code and output of a bot that must end by itself."""
    bot = RunningBot(list(arguments), token)
    code = bot.end()
    assert SECRET not in bot.output
    return code, bot.output


@pytest.fixture
def api():
    with LoopbackBotApi() as api:
        yield api


@pytest.fixture(scope="module")
def conversation(tmp_path_factory):
    """One bot with a model, for tests that do not change its state."""
    push_dir = tmp_path_factory.mktemp("models")
    push(push_dir, 1763800000)
    with LoopbackBotApi() as api, running(api, push_dir) as bot:
        api.bot = bot
        yield api


@pytest.fixture
def chat() -> int:
    """A chat that no other test uses."""
    return next(CHATS)


def keyboard(call) -> list[list[str]]:
    markup = json.loads(call.parameters["reply_markup"])
    return [[button["text"] for button in row] for row in markup["keyboard"]]


# ----------------------------------------------------------------------------------------------- conversation


@pytest.mark.parametrize(
    ("language", "hello", "menu"),
    [
        ("en", "Hello, Ann!", [["👋 Say hello", "❓ What can you do?"], ["🔢 Recognise digits"]]),
        ("ru", "Здравствуйте, Ann!", [["👋 Поздороваться", "❓ Что ты умеешь?"], ["🔢 Распознать цифры"]]),
    ],
)
def test_start_greets_by_first_name_and_shows_the_menu(conversation, chat, language, hello, menu):
    conversation.text("/start", chat=chat, name="Ann", language=language)
    assert conversation.said(chat)[0].startswith(hello)
    (call,) = [c for c in conversation.called("sendMessage") if c.parameters["chat_id"] == str(chat)]
    assert keyboard(call) == menu


def test_every_button_of_the_menu_has_an_answer(conversation, chat):
    said = []
    for count, text in enumerate(
        ["👋 Поздороваться", "❓ Что ты умеешь?", "🔢 Распознать цифры", "⬅️ Вернуться в меню"], 1
    ):
        conversation.text(text, chat=chat, name="Аня", language="ru")
        said = conversation.said(chat, count)
    assert said[0] == "Рад вас видеть, Аня!"
    assert said[1].startswith("Я нахожу на картинке рукописные цифры")
    assert said[2].startswith("Пришлите мне картинку")
    assert said[3] == "Что будем делать?"


def test_a_keyboard_in_another_language_still_works(conversation, chat):
    conversation.text("👋 Поздороваться", chat=chat, name="Ann", language="en")
    assert conversation.said(chat) == ["Nice to see you, Ann!"]


def test_help_names_the_commands(conversation, chat):
    conversation.text("/help", chat=chat)
    assert {"/start", "/model", "/help"} <= set(re.findall(r"/\w+", conversation.said(chat)[0]))


def test_model_shows_the_cards_facts(conversation, chat):
    conversation.text("/model", chat=chat, language="ru")
    assert conversation.said(chat)[0].splitlines() == [
        "Ten templates, версия 1763800000",
        "Верно прочитано тестовых картинок: 99,26\N{NO-BREAK SPACE}%",
        "Обучена: 22.11.2026 12:00 UTC",
        "Опубликована: 22.11.2025 08:26 UTC",
        "Запуск: run-1763800000",
    ]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"text": "what is 7?"}, "I do better with pictures than with words"),
        ({"sticker": {"width": 9, "height": 9, "is_animated": False, "is_video": False, "type": "regular"}}, "Nice"),
        ({"video": {"width": 9, "height": 9, "duration": 1}}, "I cannot watch"),
        ({"animation": {"width": 9, "height": 9, "duration": 1}, "document": {}}, "I cannot watch"),
        ({"voice": {"duration": 1}}, "I have no ears"),
        ({"location": {"latitude": 1.0, "longitude": 1.0}}, "I do not know what to do"),
    ],
)
def test_other_messages_get_a_friendly_answer(conversation, chat, content, word):
    for media in content.values():
        if isinstance(media, dict):
            media |= {"file_id": "x", "file_unique_id": "x"}
    conversation.message(content, chat=chat)
    assert conversation.said(chat)[0].startswith(word)


def test_in_a_group_it_answers_only_messages_for_it(conversation):
    def group(content: dict) -> int:
        return conversation.message(content, chat=-5, kind="group")

    photo = {"photo": [{**conversation._store(picture("6")), "width": 9, "height": 9}]}
    pdf = {"document": {**conversation._store(b"%PDF"), "file_name": "a.pdf", "mime_type": "application/pdf"}}
    unasked = [group({"text": "hello all"}), group(photo), group(pdf)]
    unasked += [group(photo | {"media_group_id": "theirs"}), group(pdf | {"media_group_id": "theirs"})]
    unasked += [group(photo | {"caption": "@loopback_digits_bot2"})]
    named = group(photo | {"caption": "@Loopback_digits_bot, what is this?"})
    album = [group(photo | {"media_group_id": "mine"} | extra) for extra in ({"caption": "@loopback_digits_bot"}, {})]
    (answer,) = conversation.wait(lambda: conversation.answers(-5, named))
    replied = group(photo | {"reply_to_message": conversation.messages[-5, answer.result["message_id"]]})
    conversation.wait(lambda: conversation.answers(-5, replied) and conversation.answers(-5, album[0]))
    group({"text": "/model", "entities": [{"type": "bot_command", "offset": 0, "length": 6}]})
    conversation.wait(lambda: len(conversation.said(-5)) == 4)
    assert not any(conversation.answers(-5, message) for message in unasked)


def test_groups_can_be_ignored(api, tmp_path):
    push(tmp_path, 1)
    with running(api, tmp_path, "--groups", "ignore"):
        entities = [{"type": "bot_command", "offset": 0, "length": 6}]
        api.message({"text": "/model", "entities": entities}, chat=-5, kind="group")
        api.text("/model", chat=1)
        api.said(1)
        time.sleep(0.5)
        assert [call.parameters["chat_id"] for call in api.called("sendMessage")] == ["1"]


def test_an_edited_message_is_not_answered_again(conversation, chat):
    message = conversation.photo(picture("6"), chat=chat)
    conversation.wait(lambda: conversation.answers(chat, message))
    conversation.update({"edited_message": conversation.messages[chat, message]})
    conversation.text("/help", chat=chat)
    assert len(conversation.said(chat, 2)) == 2


# --------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize(
    ("digit", "language", "answer"),
    [
        ("8", "en", "This is an 8 (99.9% sure)."),
        ("4", "en-US", "This is a 4 (99.9% sure)."),
        ("8", "ru", "Это цифра 8 (уверенность 99,9\N{NO-BREAK SPACE}%)."),
    ],
)
def test_a_photo_is_answered_as_a_reply(conversation, chat, digit, language, answer):
    message = conversation.photo(picture(digit), chat=chat, language=language)
    calls = conversation.wait(lambda: conversation.answers(chat, message))
    assert texts_of(calls) == [answer]


def test_a_picture_sent_as_a_file_is_read(conversation, chat):
    message = conversation.document(picture("3", suffix=".png"), chat=chat)
    assert texts_of(conversation.wait(lambda: conversation.answers(chat, message))) == ["This is a 3 (99.9% sure)."]


def test_several_digits_are_read_in_order(conversation, chat):
    message = conversation.photo(picture("2580"), chat=chat, language="ru")
    (answer,) = texts_of(conversation.wait(lambda: conversation.answers(chat, message)))
    assert answer.startswith("Я вижу 4 цифры: 2580 (наименьшая уверенность 9")


def test_a_large_page_shows_typing(conversation, chat):
    sheet = cv2.imdecode(np.frombuffer(picture("0123456789", margin=40), np.uint8), cv2.IMREAD_COLOR)
    page = np.tile(sheet, (16, 3, 1))
    message = conversation.document(cv2.imencode(".png", page)[1].tobytes(), chat=chat)
    (answer,) = conversation.wait(lambda: conversation.answers(chat, message))
    actions = [call for call in conversation.called("sendChatAction") if call.parameters["chat_id"] == str(chat)]
    assert {call.parameters["action"] for call in actions} == {"typing"}
    assert actions[0].at < answer.at


def test_an_empty_sheet_has_no_digits(conversation, chat):
    message = conversation.photo(blank(), chat=chat)
    (answer,) = texts_of(conversation.wait(lambda: conversation.answers(chat, message)))
    assert answer.startswith("I found no digit")


def blank() -> bytes:
    return cv2.imencode(".jpg", np.full((300, 300), 235, np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("file", "answer"),
    [
        ({"data": b"not a picture", "name": "digit.png"}, "I could not open this file as a picture"),
        ({"data": picture("4")[:400], "name": "half.jpg"}, "I could not open this file as a picture"),
        ({"data": b"", "name": "nothing.jpg"}, "I could not open this file as a picture"),
        ({"data": b"%PDF", "name": "paper.pdf", "kind": "application/pdf"}, "I only read pictures"),
        ({"data": b"x", "name": "huge.png", "size": 20_000_001}, "This file is larger than 20 MB"),
        ({"data": bytes(20_000_001), "name": "huge.png", "size": None}, "This file is larger than 20 MB"),
    ],
    ids=["not a picture", "truncated", "empty", "pdf", "too big", "too big, and Telegram did not say"],
)
def test_other_files_get_a_clear_answer(conversation, chat, file, answer):
    message = conversation.document(**file, chat=chat)
    (text,) = texts_of(conversation.wait(lambda: conversation.answers(chat, message)))
    assert text.startswith(answer)


def test_a_too_large_file_is_not_downloaded(conversation, chat):
    before = conversation.attempts.get("getFile", 0)
    message = conversation.document(b"x", size=30_000_000, chat=chat)
    conversation.wait(lambda: conversation.answers(chat, message))
    assert conversation.attempts.get("getFile", 0) == before


def test_the_button_shows_the_networks_view(conversation, chat):
    message = conversation.photo(picture("8"), chat=chat)
    (answer,) = conversation.wait(lambda: conversation.answers(chat, message))
    assert conversation.buttons(answer) == ["saw:1763800000"]  # without --feedback-dir nobody is asked more
    conversation.press(answer, chat=chat)
    (shown,) = conversation.wait(lambda: [c for c in conversation.answers(chat, message) if c.method == "sendPhoto"])
    title, row = shown.parameters["caption"].splitlines()
    assert title == "What Ten templates (version 1763800000) saw:"
    assert re.fullmatch(r"1\. 8 \(99\.9%\), \d \(\d+\.\d%\), \d \(\d+\.\d%\)", row)
    (image,) = shown.files.values()
    assert len(image) > 1000
    conversation.wait(lambda: conversation.called("editMessageReplyMarkup"))


def test_the_button_says_that_the_picture_is_gone(conversation, chat):
    message = conversation.photo(picture("8"), chat=chat)
    (answer,) = conversation.wait(lambda: conversation.answers(chat, message))
    del conversation.messages[chat, answer.result["message_id"]]["reply_to_message"]
    conversation.press(answer, chat=chat)
    alert = conversation.wait(lambda: [c for c in conversation.called("answerCallbackQuery") if "text" in c.parameters])
    assert alert[0].parameters["text"].startswith("I keep no pictures")


def test_an_album_is_answered_once_and_in_order(conversation, chat):
    messages = [conversation.photo(picture(digit), chat=chat, album="a") for digit in "314"]
    calls = conversation.wait(lambda: conversation.answers(chat, messages[0]))
    assert texts_of(calls) == [
        "1. This is a 3 (99.9% sure).\n2. This is a 1 (99.9% sure).\n3. This is a 4 (99.9% sure)."
    ]
    conversation.press(calls[0], chat=chat)
    (shown,) = conversation.wait(lambda: conversation.called("sendMediaGroup"))
    assert [item["caption"].splitlines()[1][3] for item in json.loads(shown.parameters["media"])] == list("314")
    assert len(conversation.said(chat)) == 1


def test_a_double_tap_shows_one_picture(conversation, chat):
    message = conversation.photo(picture("8"), chat=chat)
    (answer,) = conversation.wait(lambda: conversation.answers(chat, message))
    for _ in range(3):
        conversation.press(answer, chat=chat)
    conversation.wait(lambda: "reply_markup" not in conversation.messages[chat, answer.result["message_id"]])
    conversation.text("/help", chat=chat)
    conversation.said(chat, 2)
    time.sleep(0.5)
    assert [call.method for call in conversation.answers(chat, message)] == ["sendMessage", "sendPhoto"]
    assert len(conversation.said(chat)) == 2


def test_an_old_press_under_a_deleted_answer_shows_the_picture(conversation, chat):
    message = conversation.photo(picture("8"), chat=chat)
    (answer,) = conversation.wait(lambda: conversation.answers(chat, message))
    conversation.press(answer, chat=chat, too_old=True)
    del conversation.messages[chat, answer.result["message_id"]]
    conversation.wait(lambda: len(conversation.answers(chat, message)) == 2)
    time.sleep(0.3)
    assert len(conversation.said(chat)) == 1


def test_a_late_part_of_an_album_is_added_to_its_answer(conversation, chat):
    def of_chat(method: str) -> list:
        return [call for call in conversation.called(method) if call.parameters["chat_id"] == str(chat)]

    first = [conversation.photo(picture(digit), chat=chat, album="late") for digit in "31"]
    (answer,) = conversation.wait(lambda: conversation.answers(chat, first[0]))
    conversation.photo(picture("4"), chat=chat, album="late")
    (edit,) = conversation.wait(lambda: of_chat("editMessageText"))
    assert edit.parameters["text"] == (
        "1. This is a 3 (99.9% sure).\n2. This is a 1 (99.9% sure).\n3. This is a 4 (99.9% sure)."
    )
    conversation.press(answer, chat=chat)
    (shown,) = conversation.wait(lambda: of_chat("sendMediaGroup"))
    assert len(json.loads(shown.parameters["media"])) == 3
    assert len(conversation.said(chat)) == 1


def test_an_unexpected_error_is_logged_once_with_an_apology(conversation, chat):
    message = conversation.photo(picture("8"), chat=chat)
    lost = {"file_id": "lost", "file_unique_id": "lost", "width": 1280, "height": 960}
    conversation.wait(lambda: conversation.answers(chat, message))
    number = conversation.message({"photo": [lost]}, chat=chat)
    (answer,) = conversation.wait(lambda: conversation.answers(chat, number))
    assert answer.parameters["text"].startswith("Sorry, something went wrong")
    errors = [line for line in conversation.bot.lines() if line["level"] == "ERROR"]
    assert [line["message"] for line in errors] == ["an update could not be answered"]
    assert "Invalid file_id" in errors[0].pop("traceback")
    conversation.bot.output = conversation.bot.output.replace("Traceback", "")  # it was expected


# ------------------------------------------------------------------------------------------------------ models


def test_without_a_model_it_says_so_and_starts_after_the_first_push(api, tmp_path):
    with running(api, tmp_path / "models") as bot:
        message = api.photo(picture("8"), language="ru")
        (answer,) = api.wait(lambda: api.answers(1, message))
        assert answer.parameters["text"].startswith("Модель ещё не опубликована")
        api.text("/model")
        assert api.said(1, 2)[1].startswith("No model has been published yet")
        push(tmp_path / "models", 1)
        api.wait(lambda: "serving a new version" in bot.output)
        message = api.photo(picture("8"))
        assert texts_of(api.wait(lambda: api.answers(1, message))) == ["This is an 8 (99.9% sure)."]
        assert sum("no model has been pushed yet" in line["message"] for line in bot.lines()) == 1


def test_versions_are_swapped_and_broken_ones_reported(api, tmp_path):
    push(tmp_path, 1)
    api.chats.add(99)
    with running(api, tmp_path, "--admin-chat", "99", "--pictures-per-minute", "10000"):

        def answering_version() -> str:
            message = api.photo(picture("5"))
            (answer,) = api.wait(lambda: api.answers(1, message))
            assert answer.parameters["text"] == "This is a 5 (99.9% sure)."
            return version_of(answer)

        assert answering_version() == "1"
        push(tmp_path, 2)
        api.wait(lambda: answering_version() == "2")
        push(tmp_path, 3, flatbuffer([1, 2, 3, 4, 5, 6, 7, 8, 9, 0]))
        assert "Version 3 could not be served" in api.said(99)[0]
        assert api.said(99)[0].endswith("Version 2 stays live.")
        half = push(tmp_path, 4, complete=False)
        assert answering_version() == "2"
        (half / "saved_model.pb").write_bytes(b"")
        api.wait(lambda: answering_version() == "4")
        (tmp_path / "pin").write_text("2")
        api.wait(lambda: answering_version() == "2")
        assert len(api.said(99)) == 1


def test_the_button_says_if_another_version_reads(api, tmp_path):
    push(tmp_path, 1)
    with running(api, tmp_path) as bot:
        message = api.photo(picture("5"))
        (answer,) = api.wait(lambda: api.answers(1, message))
        push(tmp_path, 2)
        api.wait(lambda: bot.output.count("serving a new version") == 2)
        api.press(answer)
        (shown,) = api.wait(lambda: api.called("sendPhoto"))
        assert "The answer above came from version 1" in shown.parameters["caption"]


# ----------------------------------------------------------------------------------------------------- manners


def test_a_flood_of_pictures_gets_one_polite_answer(api, tmp_path):
    push(tmp_path, 1)
    with running(api, tmp_path, "--pictures-per-minute", "3"):
        for _ in range(8):
            api.photo(picture("5"), chat=1)
        other = api.photo(picture("5"), chat=2)
        api.wait(lambda: api.answers(2, other))
        said = api.said(1, 4)
        assert sorted(said)[0].startswith("That is a lot of pictures at once!")
        assert said.count("This is a 5 (99.9% sure).") == 3
        time.sleep(1)
        assert len(api.said(1)) == 4


def test_only_chats_on_the_list_are_answered(api, tmp_path):
    push(tmp_path, 1)
    with running(api, tmp_path, "--allow-chat", "7", "--allow-chat", "8"):
        api.photo(picture("5"), chat=1)
        api.photo(picture("5"), chat=8)
        assert api.said(8) == ["This is a 5 (99.9% sure)."]
        assert api.said(1)[0].endswith("the number of this chat: 1.")
        assert len(api.called("getFile")) == 1


def test_a_stop_answers_accepted_pictures(api, tmp_path):
    push(tmp_path, 1)
    api.fault = lambda method: (
        Fault(status=502, hang_s=1) if method == "download" and api.attempts[method] < 4 else None
    )
    # Sent before the start, all are in the first batch; later ones might not be accepted before the stop.
    single = api.photo(picture("5"))
    album = [api.photo(picture(digit), chat=2, album="x") for digit in "12"]
    with running(api, tmp_path) as bot:
        api.wait(lambda: api.attempts.get("download"))
        assert bot.stop() == 0
        assert texts_of(api.answers(1, single)) == ["This is a 5 (99.9% sure)."]
        assert len(api.answers(2, album[0])) == 1
        assert len(api.called("sendMessage")) == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=429, retry_after=1),
        Fault(hang_s=0.5),
        Fault(status=502, hang_s=12),
    ],
    ids=["500", "429", "dropped", "timeout"],
)
def test_an_outage_delays_answers_but_loses_none(api, tmp_path, fault):
    push(tmp_path, 1)
    with running(api, tmp_path) as bot:
        until = time.monotonic() + 4
        api.fault = lambda method: fault if time.monotonic() < until else None
        messages = [api.photo(picture(str(chat % 10)), chat=chat) for chat in range(1, 11)]
        for chat, message in enumerate(messages, 1):
            assert len(api.wait(lambda: api.answers(chat, message), 60)) == 1  # noqa: B023
        assert len(api.called("sendMessage")) == 10
        warnings = [line for line in bot.lines() if line["level"] in ("WARNING", "ERROR")]
        assert len(warnings) <= 3, warnings


def test_the_bot_waits_for_an_unreachable_bot_api_at_the_start(api, tmp_path):
    push(tmp_path, 1)
    api.fault = lambda method: Fault() if method == "getMe" and api.attempts[method] < 4 else None
    with running(api, tmp_path) as bot:
        message = api.photo(picture("5"))
        api.wait(lambda: api.answers(1, message), 40)
        assert [line["message"] for line in bot.lines() if "Telegram" in line["message"]] == [
            "Telegram does not answer; trying again until it does",
            "Telegram answers again",
        ]


def test_a_refused_start_is_retried_with_growing_pauses(api, tmp_path):
    api.fault = lambda method: Fault(status=400)
    bot = RunningBot(["--api-url", api.url, "--push-dir", str(tmp_path)])
    api.wait(lambda: "getMe" in api.attempts, 40)
    time.sleep(4)
    assert bot.stop() == 0
    assert api.attempts["getMe"] <= 5
    assert len([line for line in bot.lines() if line["level"] == "WARNING"]) <= 2


BROKEN = {"message": {"message_id": 5, "date": 1, "chat": {"id": 1}, "text": "my secret words"}}


def test_an_unparsable_update_is_skipped(api, tmp_path):
    push(tmp_path, 1)
    api.chats.add(99)
    with running(api, tmp_path, "--admin-chat", "99") as bot:
        for _ in range(3):
            api.update(BROKEN)
        message = api.photo(picture("5"))
        assert texts_of(api.wait(lambda: api.answers(1, message))) == ["This is a 5 (99.9% sure)."]
        assert api.said(99)[0].startswith("Telegram sent an update that cannot be parsed.")
        assert len(api.said(99)) == 1
        assert "secret words" not in bot.output
        assert [line["level"] for line in bot.lines() if line["level"] in ("ERROR", "CRITICAL")] == ["ERROR"] * 3


def test_a_webhook_confirms_an_unparsable_update(api, tmp_path):
    push(tmp_path, 1)
    port = free_port()
    with running(api, tmp_path, "--webhook-url", f"http://127.0.0.1:{port}/x", "--webhook-port", str(port)) as bot:
        api.update(BROKEN)  # raises if it is not confirmed
        message = api.photo(picture("5"))
        api.wait(lambda: api.answers(1, message))
        assert "secret words" not in bot.output


@pytest.mark.parametrize("kill_after", [1, 25])
def test_a_killed_bot_answers_every_photo_after_a_restart(api, tmp_path, kill_after):
    push(tmp_path / "models", 1)
    arguments = ["--api-url", api.url, "--push-dir", str(tmp_path / "models"), "--state-dir", str(tmp_path / "state")]
    api.fault = lambda method: (
        Fault(status=500, hang_s=0.2) if method == "download" and api.attempts[method] % 2 else None
    )
    messages = [api.photo(picture(str(chat % 10)), chat=chat) for chat in range(1, 41)]
    bot = RunningBot(arguments)
    api.wait(lambda: len(api.called("sendMessage")) >= kill_after, 60)
    bot.process.kill()
    bot.end()
    assert len(api.called("sendMessage")) < 40
    bot = RunningBot(arguments)
    api.wait(lambda: all(api.answers(chat, message) for chat, message in enumerate(messages, 1)), 60)
    time.sleep(1)
    assert bot.stop() == 0
    again = [chat for chat, message in enumerate(messages, 1) if len(api.answers(chat, message)) > 1]
    assert len(again) <= 8, again  # sent, but killed before that was recorded


# -------------------------------------------------------------------------------------- one-line errors


def test_a_missing_token_is_a_one_line_error(tmp_path):
    assert ended(token=None) == (
        1,
        "Error: No token. Get one from @BotFather and give it in TELEGRAM_BOT_TOKEN or --token-file.\n",
    )


def test_a_missing_token_file_is_a_one_line_error(tmp_path):
    code, output = ended("--token-file", str(tmp_path / "token"), token=None)
    assert (code, output) == (
        1,
        f"Error: Cannot read the token from {tmp_path / 'token'}: No such file or directory.\n",
    )


def test_a_token_on_the_command_line_is_refused():
    code, output = ended("--token", TOKEN, token=None)
    assert code == 1
    assert output.startswith("Error: Every user of this machine can see a command line")


def test_a_refused_token_is_a_one_line_error_without_the_token(api, tmp_path):
    refused = "123456789:AAH-another" + SECRET
    code, output = ended("--api-url", api.url, "--push-dir", str(tmp_path), token=refused)
    assert code == 1
    assert output.splitlines()[-1].startswith("Error: Telegram does not accept the token. Get it from @BotFather")
    assert "Traceback" not in output
    assert refused.partition(":")[2] not in output


@pytest.mark.parametrize(
    ("status", "sentence"), [(301, "is not a Bot API"), (404, "Telegram does not accept the token")]
)
def test_an_address_without_a_bot_api_is_a_one_line_error(api, tmp_path, status, sentence):
    api.fault = lambda method: Fault(status=status)
    code, output = ended("--api-url", api.url, "--push-dir", str(tmp_path))
    assert code == 1
    last = output.splitlines()[-1]
    assert last.startswith("Error: ")
    assert sentence in last
    assert "--api-url" in last
    assert api.attempts == {"getMe": 1}


def test_profile_texts_and_commands_are_set_in_each_language(api, tmp_path):
    api.chats.add(99)
    bot = RunningBot(["--api-url", api.url, "--push-dir", str(tmp_path), "--admin-chat", "99"])
    api.wait(lambda: len(api.called("setMyCommands")) == 3 * len(LANGUAGES), 40)
    assert bot.stop() == 0

    for method, field in (("setMyDescription", "description"), ("setMyShortDescription", "short_description")):
        said = {call.parameters.get("language_code"): call.parameters[field] for call in api.called(method)}
        assert set(said) == {None, "ru"}
        assert all(said.values())
        assert said[None] != said["ru"]
    assert commands_of(api, "ru") == commands_of(api, None)
    assert commands_of(api, None) == {
        "all_private_chats": ["start", "help", "model"],
        "all_group_chats": ["model", "help"],
        "chat": ["start", "help", "model", "status"],
    }


def commands_of(api, language: str | None) -> dict[str, list[str]]:
    """The commands by kind of chat, in the given language."""
    calls = [call.parameters for call in api.called("setMyCommands")]
    return {
        json.loads(call["scope"])["type"]: [command["command"] for command in json.loads(call["commands"])]
        for call in calls
        if call.get("language_code") == language
    }


def test_ignored_groups_have_no_commands_and_an_unreachable_admin_chat_is_logged(api, tmp_path):
    bot = RunningBot(["--api-url", api.url, "--push-dir", str(tmp_path), "--groups", "ignore", "--admin-chat", "99"])
    api.wait(lambda: "could not set the menu of commands" in bot.output, 40)
    assert bot.stop() == 0
    deleted = {json.loads(call.parameters["scope"])["type"] for call in api.called("deleteMyCommands")}
    assert deleted == {"all_group_chats", "default"}
    assert set(commands_of(api, None)) == {"all_private_chats"}


def test_only_the_admin_chat_gets_the_status(api, tmp_path):
    push(tmp_path, 7)
    with running(api, tmp_path, "--admin-chat", "99"):
        api.text("/status", chat=99, language="ru")
        assert re.fullmatch(r"Действующая версия: 7\nПоследний ответ Telegram: 0,\d с назад\n.* 0,0 с", api.said(99)[0])
        api.text("/status", chat=1)
        assert api.said(1)[0].startswith("I do better with pictures")


def test_a_revoked_token_ends_the_bot_with_the_same_message(api, tmp_path):
    bot = RunningBot(["--api-url", api.url, "--push-dir", str(tmp_path)])
    api.wait(lambda: "setMyCommands" in api.attempts, 40)
    api.token = "123456789:another"
    assert bot.end() == 1
    assert bot.output.splitlines()[-1].startswith("Error: Telegram does not accept the token.")
    assert "Traceback" not in bot.output


def test_another_poller_is_a_one_line_error(api, tmp_path):
    api.conflict = True
    code, output = ended("--api-url", api.url, "--push-dir", str(tmp_path))
    assert code == 1
    assert output.splitlines()[-1].startswith("Error: Another program is already receiving this bot's messages.")
    assert "Traceback" not in output


@pytest.mark.parametrize("option", ["--metrics-port", "--webhook-port"])
def test_a_port_in_use_is_a_one_line_error(api, tmp_path, option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        webhook = ["--webhook-url", "https://localhost/x"] if option == "--webhook-port" else []
        code, output = ended("--api-url", api.url, "--push-dir", str(tmp_path), option, port, *webhook)
    assert code == 1
    assert re.fullmatch(
        rf"Error: Cannot listen on 127\.0\.0\.1:{port} for .*Choose another {option}\.", output.splitlines()[-1]
    )


# --------------------------------------------------------------------------------------------- watching, token


def container_health_check(port: int) -> list[str]:
    """The image's HEALTHCHECK, with another port."""
    (command,) = re.findall(r"^HEALTHCHECK [^[]*CMD (\[.*\])$", (ROOT / "Dockerfile.bot").read_text(), re.MULTILINE)
    python, *arguments = json.loads(command)
    assert python == "python"
    return [sys.executable, *(argument.replace(":9090/", f":{port}/") for argument in arguments)]


def test_the_containers_health_check_follows_healthz():
    port = free_port()

    async def exit_code(healthy: bool) -> int:
        server = serve_metrics(Metrics(), lambda: {"healthy": healthy}, port, "127.0.0.1")
        check = await asyncio.create_subprocess_exec(*container_health_check(port), stderr=asyncio.subprocess.DEVNULL)
        try:
            return await check.wait()
        finally:
            server.stop()

    assert asyncio.run(exit_code(healthy=True)) == 0
    assert asyncio.run(exit_code(healthy=False)) != 0


def test_metrics_and_health(api, tmp_path):
    push(tmp_path, 7)
    port = free_port()

    def health_check() -> int:  # it must ignore a proxy
        environment = {**os.environ, "http_proxy": "http://127.0.0.1:9"}
        return subprocess.run(
            container_health_check(port), env=environment, capture_output=True, check=False
        ).returncode

    assert health_check() != 0
    with running(api, tmp_path, "--metrics-port", str(port)):
        message = api.photo(picture("5"))
        api.wait(lambda: api.answers(1, message))
        with urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            report = json.load(answer)
        assert (report["healthy"], report["model"]) == (True, 7)
        assert health_check() == 0
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            metrics = answer.read().decode()
        assert 'digits_bot_pictures_total{outcome="read"} 1.0' in metrics
        assert "digits_bot_model_version 7.0" in metrics
        assert "digits_bot_answering_seconds_count 1.0" in metrics
        assert SECRET not in metrics
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"http://127.0.0.1:{port}/")


def test_a_webhook_accepts_telegram_and_refuses_others(api, tmp_path):
    push(tmp_path, 1)
    port = free_port()
    address = f"http://127.0.0.1:{port}/digits"
    with running(api, tmp_path, "--webhook-url", address, "--webhook-port", str(port)):
        assert api.webhook["url"] == address
        message = api.photo(picture("5"))
        assert texts_of(api.wait(lambda: api.answers(1, message))) == ["This is a 5 (99.9% sure)."]
        assert SECRET not in json.dumps(api.webhook)
        with pytest.raises(HTTPError, match="403"):
            urlopen(address, data=b"{}")


def test_the_token_is_in_no_output_even_at_debug_level(api, tmp_path):
    push(tmp_path, 1)
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN + "\n")
    api.fault = lambda method: Fault(status=500) if api.attempts[method] % 3 == 1 else None
    bot = RunningBot(
        ["--api-url", api.url, "--push-dir", str(tmp_path), "--token-file", str(token_file), "--log-level", "DEBUG"],
        token=None,
    )
    message = api.photo(picture("5"))
    (answer,) = api.wait(lambda: api.answers(1, message), 40)
    api.press(answer)
    api.wait(lambda: api.called("sendPhoto"), 40)
    api.message({"photo": [{"file_id": "lost", "file_unique_id": "lost", "width": 9, "height": 9}]})  # a traceback
    api.wait(lambda: len(api.called("sendMessage")) >= 2, 40)
    title = Path(f"/proc/{bot.process.pid}/cmdline").read_text() + Path(f"/proc/{bot.process.pid}/comm").read_text()
    assert bot.stop() == 0
    assert "HTTP Request: POST" in bot.output
    assert "/bot[token]/getFile" in bot.output
    assert "Traceback" in bot.output
    for form in (TOKEN, quote(TOKEN, safe=""), SECRET):
        assert form not in bot.output
        assert form not in title


def test_a_rollback_and_an_unpin_change_the_answering_version(api, tmp_path):
    for version in (1763800000, 1763800100):
        push(tmp_path, version)

    def manage(command: str) -> None:
        line = [*COMMAND[:-1], "models", command, "--push-dir", str(tmp_path)]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def answering_version() -> str:
        message = api.photo(picture("0"))
        (answer,) = api.wait(lambda: api.answers(1, message))
        return version_of(answer)

    with running(api, tmp_path, "--pictures-per-minute", "10000"):
        assert answering_version() == "1763800100"
        manage("rollback")
        api.wait(lambda: answering_version() == "1763800000")
        manage("unpin")
        api.wait(lambda: answering_version() == "1763800100")
