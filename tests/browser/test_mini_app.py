"""The Mini App in Chromium, with stand-ins for Telegram and its script: `make test-browser`."""

import json
import re
from itertools import count
from pathlib import Path

import pytest
import tiny_model
from chromium import drop, serious_findings, watch
from loopback_bot_api import LoopbackBotApi, texts_of
from mini_app_launch import DARK, LIGHT, init_data, opened
from playwright.sync_api import expect
from running_bot import free_port, running

SCRIPT = "https://telegram.org/js/telegram-web-app.js"
STAND_IN = Path(__file__).parent / "telegram_web_app.js"
CHATS = count(1)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """A loopback Telegram and a bot with a Mini App."""
    push_dir = tmp_path_factory.mktemp("mini_app") / "serving_model"
    tiny_model.push(push_dir, 1763800000)
    port = free_port()
    options = ["--webhook-url", f"http://127.0.0.1:{port}", "--webhook-port", str(port)]
    with LoopbackBotApi(chats=set(range(1000))) as api, running(api, push_dir, *options):
        yield api


@pytest.fixture
def visit(browser, api):
    """Opens the page as Telegram does; at the end the console must be empty, and no other host requested."""
    seen = []

    def visit(fragment_of, width=400, locale="en-GB", script=STAND_IN, **options):
        context = browser.new_context(locale=locale, viewport={"width": width, "height": 900}, **options)
        page = context.new_page()
        messages, asked = watch(page)
        page.route(SCRIPT, lambda route: route.fulfill(path=script) if script else route.abort())
        page.goto(fragment_of(api.menu_button["web_app"]["url"]))
        seen.append((context, messages, asked))
        page.asked = asked
        return page

    yield visit
    for context, messages, asked in seen:
        context.close()
        assert [text for text in messages if "Failed to load resource" not in text] == []
        ours = api.menu_button["web_app"]["url"]
        assert [url for url in asked if not url.startswith((ours, SCRIPT, "data:", "blob:"))] == []


@pytest.fixture
def chat():
    return next(CHATS)


def inside(data, **launch):
    return lambda address: opened(address, data, **launch)


def said(page):
    """The page's calls of Telegram's script."""
    return page.evaluate("Telegram.WebApp.said")


def answers(api, chat):
    """The bot's answers to the picture posted in the chat."""
    (photo,) = api.wait(lambda: [call for call in api.called("sendPhoto") if call.parameters["chat_id"] == str(chat)])
    return texts_of(api.wait(lambda: api.answers(chat, photo.result["message_id"])))


def test_a_drawing_is_read_while_drawn_and_answered_in_the_chat_after_sending(visit, api, chat):
    page = visit(inside(init_data(chat)))
    expect(page.locator("#model")).to_contain_text("Ten templates, version 1763800000")
    expect(page.locator("#access")).to_be_hidden()
    expect(page.locator("#camera")).to_be_visible()
    page.locator("#post").click()
    expect(page.locator("#note")).to_have_text("Draw something.")

    drop(page, tiny_model.picture("407"))
    expect(page.locator("#answer")).to_have_text("407")
    expect(page.locator("#boxes rect")).to_have_count(3)
    page.locator("#post").click()

    expect(page.locator("#note")).to_have_text("Sent: the answer is in the chat.")
    assert said(page) == ["ready", "expand", "disableVerticalSwipes", "close"]
    assert answers(api, chat) == ["I see 3 digits: 407 (the least sure of them 99.9%)."]


def test_the_chat_gets_the_drawing_unchanged(visit, api, chat):
    page = visit(inside(init_data(chat, "ru")), locale="en-GB")
    expect(page.locator("#post")).to_have_text("Отправить в чат")
    expect(page.locator("h1")).to_have_text("Какое это число?")

    page.locator("#examples button").nth(1).click()
    page.locator("#post").click()

    expect(page.locator("#note")).to_have_text("Отправлено: ответ в чате.")
    assert len(answers(api, chat)) == 1


def test_a_keyboard_buttons_page_sends_strokes_through_telegram(visit, api, chat):
    page = visit(inside(None), has_touch=True)
    expect(page.locator("#camera")).to_be_hidden()
    assert serious_findings(page) == []
    page.locator("#examples button").nth(1).click()
    expect(page.locator("#note")).to_have_text("Press “Send to the chat”: the answer comes there.")

    page.locator("#post").click()
    strokes = json.loads(page.evaluate("relayed"))
    assert [len(stroke) // 2 for stroke in strokes] == [3, 2, 6]
    assert [url for url in page.asked if url.endswith(("model", "picture")) or "/read" in url] == []
    assert said(page) == ["ready", "expand", "disableVerticalSwipes", "sendData"]
    button = {"data": page.evaluate("relayed"), "button_text": "✏️ Draw digits"}
    api.message({"web_app_data": button}, chat=chat)
    assert len(answers(api, chat)) == 1


def test_a_long_drawing_is_simplified_to_telegrams_limit(visit):
    page = visit(inside(None))
    page.evaluate(
        """() => {
            const at = (turn, i) => [.5 + turn * Math.cos(i / 9) * i / 2000, .5 + Math.sin(i / 9) * i / 2000];
            const spiral = turn => Array.from({ length: 900 }, (_, i) => at(turn, i));
            strokes = [spiral(1), spiral(-1), [[.1, .1], [.3, .3], [.1, .1]], [[.9, .9]]];
        }"""
    )
    page.locator("#post").click()

    sent = page.evaluate("relayed")
    assert 1500 < len(sent) <= 4096
    assert json.loads(sent)[2:] == [[56, 42, 168, 126, 56, 42], [504, 378]]


def test_a_keyboard_buttons_page_refuses_photos_with_a_message(visit):
    page = visit(inside(None))
    drop(page, tiny_model.picture("4"))
    expect(page.locator("#note")).to_have_text("Press “Send to the chat”: the answer comes there.")

    page.locator("#post").click()

    expect(page.locator("#note")).to_have_text("Send a picture in the chat itself, as a photo.")


@pytest.mark.parametrize(("theme", "scheme"), [(LIGHT, "dark"), (DARK, "light")], ids=["light", "dark"])
def test_telegrams_theme_overrides_the_systems(visit, chat, theme, scheme):
    page = visit(inside(init_data(chat), theme=theme), color_scheme=scheme)
    drop(page, tiny_model.picture("42"))
    expect(page.locator("#answer")).to_have_text("42")

    def colours():
        return [
            "".join(f"{int(level):02x}" for level in re.findall(r"\d+", colour))
            for colour in page.evaluate(
                """() => [["body", "backgroundColor"], ["body", "color"], ["#post", "backgroundColor"]]
                    .map(([node, name]) => getComputedStyle(document.querySelector(node))[name])"""
            )
        ]

    assert colours() == [theme[name].lstrip("#") for name in ("bg_color", "text_color", "button_color")]
    assert serious_findings(page) == []
    other = LIGHT if theme is DARK else DARK
    page.evaluate("colors => Telegram.WebApp.paint(colors)", other)
    assert colours()[0] == other["bg_color"].lstrip("#")
    assert serious_findings(page) == []


def test_an_older_telegram_gets_no_unsupported_calls(visit, chat):
    page = visit(inside(init_data(chat), version="6.0"))

    expect(page.locator("#model")).to_contain_text("Ten templates")
    assert said(page) == ["ready", "expand"]


def test_drawings_are_sent_without_telegrams_script(visit, api, chat):
    page = visit(inside(init_data(chat)), script=None)
    page.locator("#examples button").first.click()
    page.locator("#post").click()

    expect(page.locator("#note")).to_have_text("Sent: the answer is in the chat.")
    assert len(answers(api, chat)) == 1


def test_outside_telegram_the_page_makes_no_requests_and_explains_where_it_works(visit):
    page = visit(lambda address: address)

    page.locator("#examples button").first.click()

    expect(page.locator("#note")).to_have_text("This page works in Telegram: open it from the bot's chat.")
    expect(page.locator("#access")).to_be_hidden()
    expect(page.locator("#post")).to_have_count(0)
    assert len(page.asked) == 1
    assert serious_findings(page) == []


def test_an_expired_page_says_so(visit, chat):
    page = visit(inside(init_data(chat, age=25 * 3600)))
    page.locator("#examples button").first.click()

    expect(page.locator("#note")).to_have_text("Open this page again from the bot's chat in Telegram.")
    page.locator("#post").click()
    expect(page.locator("#note")).to_have_text("Open this page again from the bot's chat in Telegram.")


def test_both_languages_have_the_same_keys_and_fit_a_phone(visit, chat):
    page = visit(inside(init_data(chat, "ru")), width=360, is_mobile=True, has_touch=True)

    expect(page.locator("#post")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    source = (Path(__file__).parents[2] / "serving_bot" / "telegram" / "mini_app.js").read_text("utf-8")
    words = page.evaluate(f"(() => ({{{source.partition('const WORDS = {')[2].partition('};')[0]}}}))()")
    assert set(words["en"]) == set(words["ru"])
