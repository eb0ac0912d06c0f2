import asyncio
from types import SimpleNamespace

import pytest
from tornado.web import HTTPError

from serving_bot.telegram import mini_app
from serving_bot.telegram.application import BotSettings
from serving_bot.telegram.metrics import Metrics
from serving_bot.telegram.mini_app import MiniAppServices, render


@pytest.mark.parametrize(
    ("webhook", "page"),
    [
        ("https://bot.example", "https://bot.example/app/"),
        ("https://bot.example:8443/", "https://bot.example:8443/app/"),
        ("https://bot.example/a.b/hook?x=1", "https://bot.example/a.b/hook/app/"),
        (None, None),
    ],
)
def test_the_page_is_below_the_webhook(webhook, page):
    assert BotSettings("1:x", "models", webhook_url=webhook).mini_app_url == page
    assert BotSettings("1:x", "models", webhook_url=webhook, mini_app=False).mini_app_url is None


def test_pictures_in_memory_are_limited_per_user_and_in_total(monkeypatch):
    monkeypatch.setattr(mini_app, "AT_ONCE", 2)
    monkeypatch.setattr(mini_app, "AT_ONCE_OF_ALL", 3)
    services = MiniAppServices(SimpleNamespace(models=None, metrics=Metrics()), "1:x")

    async def enter(*users: str) -> list[int]:
        statuses = []
        for user in users:
            try:
                await services.enter(user)
                statuses.append(200)
            except HTTPError as error:
                statuses.append(error.status_code)
        return statuses

    async def come_and_go() -> None:
        assert await enter("a", "a", "a", "b", "c") == [200, 200, 429, 200, 429]
        services.leave("a")
        assert await enter("a", "c") == [200, 429]
        for user in "aab":
            services.leave(user)
        assert await enter("c") == [200]

    asyncio.run(come_and_go())


def test_the_page_differs_only_by_its_style_and_its_script():
    page = render()

    assert page.index("themed") < page.index("</head>") < page.index("WORDS") < page.index("const TEXTS")
    assert page.count("<script>") == page.count("</script>") == 2
