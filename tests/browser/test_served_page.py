"""The served page in Chromium, offline except for the server: `make test-browser`."""

import hashlib

import pytest
import tiny_model
from chromium import AXE, drop, serious_findings, watch
from playwright.sync_api import expect
from running_server import running_server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def push_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "serving_model"
    tiny_model.push(folder, 1763800000)
    return folder


@pytest.fixture(scope="module")
def address(push_dir):
    with running_server(push_dir) as address:
        yield address


@pytest.fixture
def visit(browser, address):
    """Opens the page; at the end the console must be empty, and no other host requested."""
    opened = []

    def visit(locale="en-GB", width=1200, **options):
        context = browser.new_context(locale=locale, viewport={"width": width, "height": 900}, **options)
        page = context.new_page()
        messages, asked = watch(page)
        page.goto(address)
        opened.append((context, messages, asked))
        return page

    yield visit
    for context, messages, asked in opened:
        context.close()
        assert [text for text in messages if "Failed to load resource" not in text] == []
        assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def answer(page, text, timeout=5_000):
    expect(page.locator("#answer")).to_have_text(text, timeout=timeout)


def test_a_dropped_photo_is_read_with_boxes_views_and_bars(visit):
    page = visit()

    drop(page, tiny_model.picture("407"))

    answer(page, "407")
    assert page.locator("#tiles li").count() == 3
    assert page.locator("#tiles meter").count() == 9
    expect(page.locator("#boxes rect")).to_have_count(3)
    assert page.locator("#tiles canvas").count() == 0
    page.locator("#why").click()
    expect(page.locator("#tiles canvas")).to_have_count(3)
    page.locator("#clear").click()
    expect(page.locator("#note")).to_have_text("Draw something.")


def test_a_drawing_is_read_while_drawn(visit):
    page = visit()
    box = page.locator("#canvas").bounding_box()

    def to(x, y):
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    with page.expect_response("**/read?*") as first:
        page.mouse.move(*to(0.5, 0.2))
        page.mouse.down()
        page.mouse.move(*to(0.5, 0.5), steps=5)
    assert first.value.ok, "before the stroke ends"
    page.mouse.up()
    expect(page.locator("#note")).not_to_have_text("Draw something.")
    page.locator("#undo").click()
    expect(page.locator("#note")).to_have_text("Draw something.")


def test_a_phone_needs_no_sideways_scrolling_and_gets_large_buttons(visit):
    page = visit(width=360, is_mobile=True, has_touch=True, color_scheme="dark")

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#examples button").first.tap()
    expect(page.locator("#note")).not_to_have_text("Draw something.")


def test_the_keyboard_reaches_every_control(visit):
    page = visit()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))

    assert {"canvas", "undo", "clear", "file", "camera", "Example 42"} <= set(reached)
    page.locator("#examples button").nth(1).focus()
    with page.expect_response("**/read?*"):
        page.keyboard.press("Enter")


def test_the_page_uses_the_browsers_language(visit):
    page = visit(locale="ru-RU")

    assert page.locator("h1").text_content() == "Какое это число?"
    assert page.evaluate("document.documentElement.lang") == "ru"
    missing = page.evaluate("Object.keys(TEXTS.en).filter(key => !(key in TEXTS.ru))")
    assert missing == []


def test_axe_core_is_the_npm_release():
    assert hashlib.sha256(AXE.read_bytes()).hexdigest() in (AXE.parent / "SOURCE").read_text("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "ru-RU"])
def test_axe_core_finds_no_serious_problems(visit, locale, scheme):
    page = visit(locale=locale, color_scheme=scheme)
    assert serious_findings(page) == []

    drop(page, tiny_model.picture("407"))
    answer(page, "407")
    page.locator("#why").click()
    expect(page.locator("#tiles canvas")).to_have_count(3)

    assert serious_findings(page) == []


def test_axe_core_detects_problems(visit):
    page = visit()
    page.locator("#canvas").evaluate("canvas => canvas.removeAttribute('aria-label')")

    assert [name for name, _ in serious_findings(page)] == ["role-img-alt"]


def test_a_refused_camera_is_reported(visit):
    page = visit()

    page.locator("#camera").click()

    expect(page.locator("#note")).to_contain_text("The camera cannot be used")


def test_an_unreadable_file_is_reported(visit):
    page = visit()

    drop(page, b"no picture")

    expect(page.locator("#note")).to_contain_text("This is not a JPEG")


def test_a_lost_server_is_reported_until_it_returns(browser, push_dir):
    page = browser.new_context(locale="en-GB").new_page()
    with running_server(push_dir) as address:
        page.goto(address)
    drop(page, tiny_model.picture("42"))
    expect(page.locator("#note")).to_contain_text("The server does not answer")

    with running_server(push_dir, "--port", address.rpartition(":")[2]):
        answer(page, "42")
        expect(page.locator("#note")).not_to_contain_text("does not answer")


def test_the_page_asks_for_a_token(browser, push_dir, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    with running_server(push_dir, "--token-file", str(tmp_path / "token")) as address:
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(address)
        drop(page, tiny_model.picture("42"))
        expect(page.locator("#note")).to_have_text("Enter the access token above.")
        assert serious_findings(page) == []
        page.get_by_label("access token").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#access")).to_be_visible()
        page.get_by_label("access token").fill("secret")

        page.keyboard.press("Enter")

        answer(page, "42")
        expect(page.locator("#access")).to_be_hidden()
        expect(page.locator("#model")).to_contain_text("Ten templates")


def test_a_new_version_answers_without_a_reload(visit, push_dir):
    page = visit()
    drop(page, tiny_model.picture("42"))
    answer(page, "42")

    tiny_model.push(push_dir, 1763800001)

    expect(page.locator("#model")).to_contain_text("version 1763800001", timeout=20_000)


def test_a_drawing_before_the_first_push_is_answered_after_it(browser, tmp_path):
    (tmp_path / "serving_model").mkdir()
    with running_server(tmp_path / "serving_model") as address:
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(address)
        drop(page, tiny_model.picture("42"))
        expect(page.locator("#note")).to_contain_text("No model has been pushed yet")

        tiny_model.push(tmp_path / "serving_model", 1763800000)

        answer(page, "42", timeout=20_000)
