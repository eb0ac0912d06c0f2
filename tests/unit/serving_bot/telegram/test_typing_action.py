import asyncio
import time

import pytest
from loopback_bot_api import TOKEN, Fault, LoopbackBotApi
from telegram import Bot, Chat, Message
from telegram.ext import ExtBot

from serving_bot.telegram import typing_action as module
from serving_bot.telegram.typing_action import typing_action


def actions_while(api: LoopbackBotApi, seconds: float) -> list[str]:
    """The actions that the chat shows while a task takes this long."""

    async def work() -> None:
        bot: Bot = ExtBot(TOKEN, base_url=f"{api.url}/bot")
        async with bot:
            message = Message(1, None, Chat(7, "private"))
            message.set_bot(bot)
            async with typing_action(message):
                await asyncio.sleep(seconds)

    asyncio.run(work())
    return [call.parameters["action"] for call in api.called("sendChatAction")]


@pytest.fixture
def api():
    with LoopbackBotApi() as api:
        yield api


def test_a_quick_answer_shows_no_action(api):
    assert actions_while(api, 0.2) == []


def test_a_slow_answer_shows_the_action_until_it_comes(api, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    monkeypatch.setattr(module, "SHOWN_S", 0.2)
    assert set(actions_while(api, 1.0)) == {"typing"}
    assert len(api.called("sendChatAction")) >= 3
    assert api.called("sendChatAction")[0].parameters["chat_id"] == "7"


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(hang_s=3)], ids=["refused", "hanging"])
def test_a_refused_action_does_not_delay_the_answer(api, monkeypatch, fault):
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    api.fault = lambda method: fault if method == "sendChatAction" else None
    began = time.monotonic()
    actions_while(api, 0.5)
    assert time.monotonic() - began < 2
    assert api.attempts["sendChatAction"] == 1
