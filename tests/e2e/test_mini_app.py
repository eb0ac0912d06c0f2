"""The real bot's Mini App over HTTP, against a loopback Bot API; tests/browser/test_mini_app.py opens the page."""

from __future__ import annotations

import itertools
import json
import socket
import sqlite3
import time
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
import requests
from loopback_bot_api import Fault, LoopbackBotApi, texts_of
from mini_app_launch import init_data
from running_bot import RunningBot, free_port, running
from tiny_model import picture, push

CHATS = itertools.count(1)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A bot with a model and a webhook, and the address of its page."""
    push_dir = tmp_path_factory.mktemp("models")
    push(push_dir, 1763800000)
    with LoopbackBotApi() as api, running(api, push_dir, *webhook(port := free_port())):
        api.page = f"http://127.0.0.1:{port}/digits/app/"
        yield api


def webhook(port: int) -> list[str]:
    return ["--webhook-url", f"http://127.0.0.1:{port}/digits", "--webhook-port", str(port)]


@pytest.fixture
def chat(served) -> int:
    """A chat after /start."""
    number = next(CHATS)
    served.text("/start", chat=number)
    served.said(number)
    return number


def post(page: str, what: str, data: str | None, body: bytes, kind: str = "image/png") -> requests.Response:
    headers = {"Content-Type": kind} | ({} if data is None else {"Authorization": f"tma {data}"})
    return requests.post(f"{page}{what}", data=body, headers=headers, timeout=30)


def photos(api: LoopbackBotApi, chat: int) -> list:
    return [call for call in api.called("sendPhoto") if call.parameters["chat_id"] == str(chat)]


def answered(api: LoopbackBotApi, chat: int) -> list[str]:
    """The bot's answer to the picture that it posted."""
    (photo,) = api.wait(lambda: photos(api, chat))
    return texts_of(api.wait(lambda: api.answers(chat, photo.result["message_id"])))


@pytest.mark.parametrize(
    ("language", "answer"),
    [("en", "This is a 5 (99.9% sure)."), ("ru", "Это цифра 5 (уверенность 99,9\N{NO-BREAK SPACE}%).")],
)
def test_a_posted_picture_appears_in_the_chat_and_is_answered(served, chat, language, answer):
    response = post(served.page, "picture", init_data(chat, language), picture("5"))

    assert (response.status_code, response.json()) == (200, {})
    assert answered(served, chat) == [answer]
    (photo,) = photos(served, chat)
    assert photo.files["photo"] == picture("5")
    (said,) = served.answers(chat, photo.result["message_id"])
    served.press(said, chat=chat)
    assert served.wait(lambda: photos(served, chat)[1:])[0].parameters["caption"].startswith("What Ten templates")


def test_reading_while_drawing_posts_nothing_in_the_chat(served, chat):
    data = init_data(chat)

    assert post(served.page, "read?images=1", data, picture("42")).json()["shown"] == "42"
    model = requests.get(f"{served.page}model", headers={"Authorization": f"tma {data}"}, timeout=30)
    assert model.json()["version"] == 1763800000
    assert photos(served, chat) == []


@pytest.mark.parametrize(
    "data",
    [None, "", init_data(age=25 * 3600), init_data(token="1:another"), init_data().replace("Anna", "Ben")],
    ids=["none", "empty", "old", "another bot's", "changed"],
)
def test_requests_without_telegrams_init_data_are_refused(served, data):
    before = len(served.called("sendPhoto"))
    for what in ("picture", "read"):
        refused = post(served.page, what, data, picture("5"))
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "tma")
    assert requests.get(f"{served.page}model", timeout=30).status_code == 401
    assert len(served.called("sendPhoto")) == before


def test_only_telegram_may_frame_the_page_and_it_loads_no_script_by_itself(served):
    page = requests.get(served.page, timeout=30)

    assert "https://telegram.org" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors https://*.telegram.org" in page.headers["Content-Security-Policy"]
    assert "<script src" not in page.text
    assert "WORDS" in page.text


def test_the_menu_button_and_the_keyboard_open_the_page(served, chat):
    assert served.menu_button == {"type": "web_app", "text": "✏️ 0–9", "web_app": {"url": served.page}}
    (hello,) = [call for call in served.called("sendMessage") if call.parameters["chat_id"] == str(chat)]
    keyboard = json.loads(hello.parameters["reply_markup"])["keyboard"]
    assert keyboard[0] == [{"text": "✏️ Draw digits", "web_app": {"url": served.page}}]

    served.text("/start", chat=-chat, kind="group")  # Telegram refuses such a button in groups
    served.said(-chat)


def test_strokes_sent_through_telegram_are_drawn_and_answered(served, chat):
    strokes = [[280, 100, 280, 320]]
    served.message({"web_app_data": {"data": json.dumps(strokes), "button_text": "✏️ Draw digits"}}, chat=chat)

    assert len(answered(served, chat)) == 1
    (photo,) = photos(served, chat)
    image = cv2.imdecode(np.frombuffer(photo.files["photo"], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image.shape == (420, 560)
    assert (image[210, 280], image[210, 300], image[80, 280]) == (0x11, 0xFF, 0xFF)


def test_other_data_through_telegram_is_refused(served, chat):
    served.message({"web_app_data": {"data": "[[1,", "button_text": "x"}}, chat=chat)

    assert served.said(chat, 2)[1].startswith("I cannot read this drawing")


def test_a_picture_that_telegram_refuses_is_a_one_line_error(served, chat):
    refused = post(served.page, "picture", init_data(chat, "ru"), b"no picture")
    assert (refused.status_code, refused.json()["error"][:25]) == (422, "Telegram не принимает эту")

    refused = post(served.page, "picture", init_data(10_001), picture("5"))
    assert (refused.status_code, refused.json()["error"][:29]) == (403, "I cannot write into your chat")

    assert post(served.page, "picture", init_data(chat), bytes(2**22 + 1)).status_code == 413


def test_slow_and_too_large_bodies_do_not_block_other_users(served, chat):
    address = urlsplit(served.page)
    for length, body in ((1000, b"x"), (2**22, bytes(2**20)), (2**22 + 1, b"x")):
        for _ in range(6):  # more than a user may send at a time
            with socket.create_connection((address.hostname, address.port)) as connection:
                head = f"POST {address.path}read HTTP/1.1\r\nHost: x\r\nAuthorization: tma {init_data(chat)}\r\n"
                connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + body)
    chunks = (bytes(2**20) for _ in range(6))  # without a length, and too large
    headers = {"Authorization": f"tma {init_data(chat)}"}
    time.sleep(1)  # the bot must notice that the others have gone
    assert requests.post(f"{served.page}read", data=chunks, headers=headers, timeout=30).status_code == 413
    assert [post(served.page, "read", init_data(chat), picture("5")).status_code for _ in range(6)] == [200] * 6


def test_posted_pictures_obey_the_chats_limit_and_the_list_of_chats(tmp_path):
    push(tmp_path, 1)
    port = free_port()
    options = ["--allow-chat", "7", "--pictures-per-minute", "2"]
    with LoopbackBotApi(chats={7, 8}) as api, running(api, tmp_path, *webhook(port), *options):
        page = f"http://127.0.0.1:{port}/digits/app/"
        statuses = []
        for count in (1, 2, 2):
            statuses.append(post(page, "picture", init_data(7), picture("5")).status_code)
            api.wait(lambda count=count: len(api.called("sendMessage")) >= count)
        refused = post(page, "picture", init_data(8, "ru"), picture("5"))

        assert statuses == [200, 200, 429]
        assert (refused.status_code, refused.json()["error"][:24]) == (403, "Простите, это закрытый б")
        assert post(page, "read", init_data(8), picture("5")).status_code == 403
        assert len(photos(api, 7)) == 2
        assert photos(api, 8) == []


def test_a_kill_after_a_drawing_was_posted_loses_no_answer(tmp_path):
    push(tmp_path / "models", 1)
    port = free_port()
    with LoopbackBotApi(chats={7}) as api:
        common = ["--api-url", api.url, "--push-dir", str(tmp_path / "models"), "--state-dir", str(tmp_path / "state")]
        api.fault = lambda method: Fault(hang_s=30) if method == "download" else None
        bot = RunningBot([*common, *webhook(port)])
        api.wait(lambda: "setMyCommands" in api.attempts, 40)
        assert post(f"http://127.0.0.1:{port}/digits/app/", "picture", init_data(7), picture("5")).status_code == 200
        api.wait(lambda: "download" in api.attempts)
        bot.process.kill()
        bot.end()
        api.fault = lambda method: None

        bot = RunningBot([*common, *webhook(port)])
        assert answered(api, 7) == ["This is a 5 (99.9% sure)."]
        assert bot.stop() == 0
        (journal,) = (tmp_path / "state").glob("*.sqlite")
        assert sqlite3.connect(journal).execute("SELECT count(*) FROM updates WHERE NOT answered").fetchone() == (0,)


def test_without_a_webhook_or_mini_app_the_menu_button_is_removed(tmp_path):
    theirs = {"type": "web_app", "text": "Shop", "web_app": {"url": "https://shop.example/"}}
    ours = theirs | {"text": "✏️ 0–9"}
    port = free_port()
    for options in ([], [*webhook(port), "--no-mini-app"]):
        with LoopbackBotApi(menu_button=dict(ours)) as api, running(api, tmp_path, *options):
            assert api.menu_button == {"type": "default"}
            if options:
                assert requests.get(f"http://127.0.0.1:{port}/digits/app/", timeout=30).status_code == 404
    with LoopbackBotApi(menu_button=dict(theirs)) as api, running(api, tmp_path):
        assert api.menu_button == theirs
