"""The page of `digits feedback review` in Chromium: `make test-browser`."""

import time
from datetime import datetime, timezone
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import tiny_model
from chromium import serious_findings, watch
from playwright.sync_api import expect
from running_server import running_server

from serving_bot.feedback.contribution import Contribution
from serving_bot.feedback.store import Store

pytestmark = pytest.mark.browser


@pytest.fixture
def store(tmp_path):
    """Five contributions of canary digits; the model agrees with all but the last, which is labelled 3."""
    store = Store(str(tmp_path / "feedback"))
    for digit in range(5):
        one = Contribution(
            id=str(digit) * 32,
            contributor="d" * 32,
            image=np.ascontiguousarray(tiny_model.templates()[digit]),
            said=3 if digit == 4 else digit,
            answered=digit,
            probability=0.9,
            version=1763800000,
            at=datetime(2026, 11, 27, tzinfo=timezone.utc),
        )
        store.add(one.id, one.contributor, one.to_png())
    return store


@pytest.fixture
def address(store, tmp_path):
    tiny_model.push(tmp_path / "serving_model", 1763800000)
    options = ("--feedback-dir", store.folder, "--no-open")
    with running_server(tmp_path / "serving_model", *options, command=("feedback", "review")) as address:
        yield address


@pytest.fixture
def page(browser, address):
    page = browser.new_page()
    messages, asked = watch(page)
    page.goto(address)
    yield page
    page.close()
    assert messages == []
    assert [url for url in asked if not url.startswith((address, "data:"))] == []


def states(store):
    return {entry.contribution.id[0]: (entry.state, entry.review and entry.review.digit) for entry in store.entries()}


def test_contributions_are_reviewed_with_the_keyboard_alone(page, store):
    said, left = page.locator("#said"), page.locator("#left")
    expect(left).to_have_text("5 of 5 wait for a review")
    expect(said).to_have_text("3")  # disagreements with the model come first

    page.keyboard.press("4")  # it is a 4
    expect(left).to_have_text("4 of 5 wait for a review")
    for key, waiting in ((" ", 3), ("x", 2), ("n", 1)):
        page.keyboard.press(key)
        expect(left).to_have_text(f"{waiting} of 5 wait for a review")
    page.keyboard.press("u")
    expect(left).to_have_text("2 of 5 wait for a review")
    page.keyboard.press("x")
    page.keyboard.press(" ")
    expect(left).to_contain_text("All are reviewed.")

    deadline = time.monotonic() + 10  # the page shows the next one without waiting for the server
    while "waiting" in {state for state, _ in states(store).values()} and time.monotonic() < deadline:
        time.sleep(0.1)
    decided = states(store)
    assert decided.pop("4") == ("accepted", 4)
    assert sorted(state for state, _ in decided.values()) == ["accepted", "accepted", "rejected", "rejected"]


def test_a_contribution_may_be_skipped(page):
    said = page.locator("#said")
    expect(said).to_have_text("3")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#left")).to_have_text("5 of 5 wait for a review")
    expect(page.locator("#disagreement")).not_to_have_text("100 %")


def test_the_page_is_accessible(page):
    expect(page.locator("#said")).to_have_text("3")
    assert serious_findings(page) == []


def test_other_sites_cannot_decide(address, store):
    review = f"{address}/contributions/{'0' * 32}/review"
    for request in (
        Request(review, b'{"verdict": "accepted", "digit": 1}', {"Content-Type": "text/plain"}),
        Request(review, b"{}", {"Content-Type": "application/json"}),
        Request(f"{address}/contributions", headers={"Host": "evil.example"}),
    ):
        with pytest.raises(HTTPError, match="4"):
            urlopen(request)
    assert {state for state, _ in states(store).values()} == {"waiting"}
