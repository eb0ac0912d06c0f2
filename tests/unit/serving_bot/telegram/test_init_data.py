"""Test vectors signed by others: by Telegram, and by OpenSSL as Telegram's documentation describes.

For the second, with the lines of the data-check-string in `fields`:
key=$(printf %s "$TOKEN" | openssl dgst -sha256 -hmac WebAppData -hex | awk '{print $NF}')
openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -hex < fields
"""

from urllib.parse import quote

import pytest
from loopback_bot_api import TOKEN

from serving_bot.telegram.init_data import MOST_AGE_S, InitDataError, user_of

# From the documentation of @tma.js/init-data, docs.telegram-mini-apps.com; its bot's token is public.
PUBLISHED_TOKEN = "5768337691:AAH5YkoiEuPk8-FZa32hStHTqXiLPtAEhx8"
PUBLISHED_USER = (
    '{"id":279058397,"first_name":"Vladislav","last_name":"Kibenko","username":"vdkfrost","language_code":"ru",'
    '"is_premium":true}'
)
PUBLISHED = (
    f"query_id=AAHdF6IQAAAAAN0XohDhrOrc&user={quote(PUBLISHED_USER, safe='')}&auth_date=1662771648"
    "&hash=c501b71e775f74ce10e377dea85a7ea24ecd640b223ea86dfe453e0eaed2e2b2"
)
OPENED = 1763800000
RECORDED_USER = '{"id":7,"first_name":"Анна & Co","language_code":"ru"}'
RECORDED = (
    f"user={quote(RECORDED_USER, safe='')}"
    "&chat_instance=-3788475317572404878&chat_type=sender&auth_date=1763800000&signature=c2lnbmF0dXJl_-"
    "&hash=73a6930bb762beb7f8429138d9e721fb4d8d7253e36bc71d8ec8447565a7343c"
)

ALONE = "auth_date=1763800000&hash=c0dd67459ce28685a2052197a982c454978043498b1615993c3d03ba535d62f3"


def test_signed_init_data_identifies_the_user():
    user = user_of(PUBLISHED, PUBLISHED_TOKEN, 1662771650)
    assert (user.id, user.first_name, user.language_code, user.is_bot) == (279058397, "Vladislav", "ru", False)


def test_all_fields_but_the_hash_are_signed_in_the_order_of_their_names():
    user = user_of(RECORDED, TOKEN, OPENED + 60)
    assert (user.id, user.first_name, user.language_code) == (7, "Анна & Co", "ru")


@pytest.mark.parametrize(
    "changed",
    [
        RECORDED.replace("%22id%22%3A7", "%22id%22%3A8"),
        RECORDED.replace("auth_date=1763800000", "auth_date=1763800001"),
        RECORDED.replace("&chat_type=sender", ""),
        RECORDED + "&more=1",
        RECORDED.replace("73a6930b", "73a6930c"),
        RECORDED.partition("&hash=")[0],
        RECORDED.partition("&hash=")[0] + "&hash=é",
        PUBLISHED,
        "",
        "words",
        "hash=",
    ],
)
def test_changed_data_and_other_bots_data_are_refused(changed):
    with pytest.raises(InitDataError):
        user_of(changed, TOKEN, OPENED)


def test_expired_data_is_refused():
    assert user_of(RECORDED, TOKEN, OPENED + MOST_AGE_S)
    with pytest.raises(InitDataError, match="too old"):
        user_of(RECORDED, TOKEN, OPENED + MOST_AGE_S + 1)


def test_signed_data_without_a_user_is_refused():
    with pytest.raises(InitDataError, match="no user"):
        user_of(ALONE, TOKEN, OPENED)
