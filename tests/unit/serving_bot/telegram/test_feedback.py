import asyncio

import pytest

from serving_bot.feedback.contributors import Contributors
from serving_bot.feedback.outbox import Listener, Outbox
from serving_bot.feedback.store import Store
from serving_bot.telegram.feedback import Feedback
from serving_bot.telegram.metrics import Metrics

OLD, NEW = "a" * 64, "b" * 64
USER, NEWCOMER = 7, 8


@pytest.fixture
def start(tmp_path):
    """Starts the bot's feedback with the current keys in the file."""
    outbox = Outbox(tmp_path / "feedback.sqlite", per_day=10)

    def start(*keys):
        (tmp_path / "keys").write_text("\n".join(keys))
        return Feedback(outbox, Contributors(tmp_path / "keys"), Store(str(tmp_path / "feedback")), Metrics())

    yield start
    outbox.close()


def test_a_person_known_under_an_older_key_keeps_their_code(start):
    start(OLD).note_consent(USER, given=True, listener=Listener(USER, "en"))

    feedback = start(NEW, OLD)
    feedback.note_consent(NEWCOMER, given=False)

    assert feedback.consent(USER) is True
    assert feedback.listens(USER)
    assert feedback.outbox.consent(start(OLD).contributors.name(USER)) is True
    assert feedback.outbox.consent(start(NEW).contributors.name(NEWCOMER)) is False
    assert start(NEW).consent(USER) is None  # whose key was removed is nobody


def test_a_forgotten_person_returns_under_the_current_key(start):
    start(OLD).note_consent(USER, given=True)
    feedback = start(NEW, OLD)

    async def forget():
        delivering = asyncio.create_task(feedback.deliver())
        assert await feedback.forget(USER)
        delivering.cancel()

    asyncio.run(forget())
    assert feedback.consent(USER) is None
    feedback.note_consent(USER, given=True)

    assert feedback.outbox.consent(start(NEW).contributors.name(USER)) is True
