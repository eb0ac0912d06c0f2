import asyncio
import logging
from functools import partial

import pytest
from loopback_bot_api import TOKEN, Fault, LoopbackBotApi
from telegram.error import NetworkError

from serving_bot.telegram.network import Contact, PatientRequest, PollingRequest, RefusedTokenError, delays


def test_pauses_grow_within_the_timeout():
    pauses = list(delays(60))
    assert pauses[:6] == [0.5, 1, 2, 4, 8, 15]
    assert sum(pauses) <= 60
    assert max(pauses) == 15


def call(request: type, url: str, contact: Contact, **settings):
    """The payload of a getMe sent with this kind of request."""

    async def post():
        async with request(contact, **settings) as ready:
            return await ready.post(f"{url}/getMe")

    return asyncio.run(post())


@pytest.mark.parametrize("fault", [Fault(status=500), Fault()], ids=["500", "dropped"])
def test_a_request_survives_an_outage_which_is_logged_once(caplog, fault):
    caplog.set_level(logging.INFO, "serving_bot")
    failures = []
    with LoopbackBotApi() as api:
        api.fault = lambda method: fault if api.attempts[method] < 3 else None
        answer = call(PatientRequest, f"{api.url}/bot{TOKEN}", Contact(lambda: failures.append(1)))
    assert answer["is_bot"]
    assert len(failures) == 2
    assert [record.message for record in caplog.records] == [
        "Telegram does not answer; trying again until it does",
        "Telegram answers again",
    ]


def test_the_timeout_ends():
    with LoopbackBotApi() as api:
        api.fault = lambda method: Fault(status=502)
        with pytest.raises(NetworkError):
            call(PatientRequest, f"{api.url}/bot{TOKEN}", Contact(), patience=1)
        assert api.attempts["getMe"] == 2


def test_refused_requests_are_not_repeated():
    with LoopbackBotApi() as api:
        with pytest.raises(RefusedTokenError):
            call(partial(PollingRequest, take=lambda updates: updates), f"{api.url}/bot1:wrong", Contact())
        contact = Contact()
        assert call(partial(PollingRequest, take=lambda updates: updates), f"{api.url}/bot{TOKEN}", contact)["is_bot"]
        assert contact.silence < 5
