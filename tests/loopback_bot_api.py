"""A small Bot API server on 127.0.0.1, with the behaviour of Telegram that this bot relies on.

It keeps updates until they are confirmed, serves files, records every call and message, and can fail like Telegram and
networks. The real bot uses it over HTTP.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import cv2
import numpy as np
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

TOKEN = "123456789:AAH-loopback_Secret_of_this_bot_0123"
BOT = {"id": 123456789, "is_bot": True, "first_name": "Digits", "username": "loopback_digits_bot"}
FILE_LIMIT = 20_000_000
PROFILE_LIMITS = {
    "setMyDescription": {"description": 512},
    "setMyShortDescription": {"short_description": 120},
}


@dataclass(frozen=True)
class Call:
    """A successful call of the API."""

    method: str
    parameters: dict[str, Any]
    files: dict[str, bytes]
    at: float
    result: Any


@dataclass(frozen=True)
class Fault:
    """A failure: an HTTP status, or a connection that hangs or drops, before or after the call is done."""

    status: int = 0
    retry_after: int = 0
    hang_s: float = 0.0
    after_the_work: bool = False


@dataclass
class LoopbackBotApi:
    """The server, in a thread; use it as a context manager.

    Attributes:
        token: the only token it accepts.
        fault: called with each request's method name (``download`` for files); returns a Fault, or None to succeed.
        conflict: answers every getUpdates with 409, as if another program were polling.
        chats: chats it may write to without a message from them.
        calls: the calls so far, without getUpdates.
        attempts: number of requests by method, including failed ones.
    """

    token: str = TOKEN
    fault: Callable[[str], Fault | None] = lambda method: None
    conflict: bool = False
    calls: list[Call] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    messages: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    webhook: dict[str, Any] = field(default_factory=dict)
    menu_button: dict[str, Any] = field(default_factory=lambda: {"type": "commands"})
    chats: set[int] = field(default_factory=set)
    _queries: set[str] = field(default_factory=set)
    _updates: list[dict[str, Any]] = field(default_factory=list)
    _next_update: int = 1
    _next_message: int = 1
    _pollers: int = 0

    # ------------------------------------------------------------------------------------------------- life

    def __enter__(self) -> LoopbackBotApi:
        started = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """Base address: what ``digits bot --api-url`` takes."""
        return f"http://127.0.0.1:{self._port}"

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._arrived = asyncio.Event()
        application = Application(
            [
                (r"/file/bot([^/]+)/(.+)", _File, {"api": self}),
                (r"/bot([^/]+)/(\w+)", _Method, {"api": self}),
            ],
            log_function=lambda _: None,
        )
        server = HTTPServer(application, max_buffer_size=64 * 2**20)
        sockets = bind_sockets(0, "127.0.0.1")
        self._port = sockets[0].getsockname()[1]
        server.add_sockets(sockets)
        started.set()
        await self._stop.wait()
        server.stop()
        await server.close_all_connections()

    # ----------------------------------------------------------------------------- users in chats

    def text(self, text: str, **who: Any) -> int:
        """A user writes ``text``. Returns the message's number, as do the following methods."""
        entities = (
            [{"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}] if text[0] == "/" else []
        )
        return self.message({"text": text, "entities": entities}, **who)

    def photo(self, data: bytes, album: str | None = None, **who: Any) -> int:
        """A user sends a photo."""
        return self.message({"photo": self._sizes(data)} | ({"media_group_id": album} if album else {}), **who)

    def _sizes(self, data: bytes) -> list[dict[str, Any]]:
        return [
            {**self._store(data), "width": 90, "height": 67, "file_size": 900},
            {**self._store(data), "width": 1280, "height": 960},
        ]

    def document(
        self,
        data: bytes,
        name: str = "digit.png",
        kind: str | None = "image/png",
        size: int | None = None,
        **who: Any,
    ) -> int:
        """A user sends a file; ``size`` overrides the size that Telegram reports."""
        document = {**self._store(data), "file_name": name, "mime_type": kind}
        return self.message({"document": document | ({"file_size": size} if size is not None else {})}, **who)

    def message(
        self,
        content: dict[str, Any],
        chat: int = 1,
        name: str = "Anna",
        language: str | None = "en",
        kind: str = "private",
    ) -> int:
        """A user sends a message with the given content."""
        user = {"id": abs(chat), "is_bot": False, "first_name": name, "language_code": language}
        with self._changed:
            message = self._new_message(chat, content | {"from": user}, kind)
        self.update({"message": message})
        return int(message["message_id"])

    def buttons(self, answer: Call, now: bool = True) -> list[str]:
        """The callback data of the buttons under a message of the bot, now or when it was sent."""
        message = self.messages[int(answer.parameters["chat_id"]), answer.result["message_id"]]
        keys = message.get("reply_markup", {}) if now else json.loads(answer.parameters.get("reply_markup", "{}"))
        return [key["callback_data"] for row in keys.get("inline_keyboard", ()) for key in row]

    def press(
        self,
        answer: Call,
        chat: int = 1,
        language: str = "en",
        too_old: bool = False,
        data: str | None = None,
        user: int | None = None,
    ) -> None:
        """A user presses a button under a message of the bot, by default the last one; ``too_old``: it is expired.

        The message may have lost the button since: it can still be on the user's screen.
        """
        message = self.messages[chat, answer.result["message_id"]]
        data = self.buttons(answer, now=False)[-1] if data is None else data
        query = {
            "id": str(time.time_ns()),
            "from": {"id": user or chat, "is_bot": False, "first_name": "Anna", "language_code": language},
            "chat_instance": "1",
            "message": message,
            "data": data,
        }
        if not too_old:
            self._queries.add(str(query["id"]))
        self.update({"callback_query": query})

    def reply(self, to: Call, text: str, **who: Any) -> int:
        """A user replies to a message of the bot."""
        replied = self.messages[int(to.parameters["chat_id"]), to.result["message_id"]]
        shallow = {key: value for key, value in replied.items() if key != "reply_to_message"}  # as Telegram does
        return self.message({"text": text, "reply_to_message": shallow}, **who)

    def react(self, to: Call, emoji: str, chat: int = 1) -> None:
        """A user reacts to a message of the bot."""
        reaction = {
            "chat": {"id": chat, "type": "private"},
            "message_id": to.result["message_id"],
            "user": {"id": chat, "is_bot": False, "first_name": "Anna", "language_code": "en"},
            "date": int(time.time()),
            "old_reaction": [],
            "new_reaction": [{"type": "emoji", "emoji": emoji}],
        }
        self.update({"message_reaction": reaction})

    def update(self, content: dict[str, Any]) -> None:
        """Queues an update, or posts it to the webhook if one is set."""
        with self._changed:
            update = {"update_id": self._next_update} | content
            self._next_update += 1
            if not self.webhook:
                self._updates.append(update)
        if self.webhook:
            asyncio.run_coroutine_threadsafe(self._post(update), self._loop).result(10)
        else:
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def _post(self, update: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        if "secret_token" in self.webhook:
            headers["X-Telegram-Bot-Api-Secret-Token"] = self.webhook["secret_token"]
        await AsyncHTTPClient().fetch(self.webhook["url"], method="POST", headers=headers, body=json.dumps(update))

    def _store(self, data: bytes) -> dict[str, Any]:
        identifier = f"file{len(self.files)}"
        self.files[identifier] = data
        return {"file_id": identifier, "file_unique_id": identifier, "file_size": len(data)}

    def _new_message(self, chat: int, content: dict[str, Any], kind: str = "private") -> dict[str, Any]:
        message = {
            "message_id": self._next_message,
            "date": int(time.time()),
            "chat": {"id": chat, "type": kind},
        }
        self._next_message += 1
        message |= content
        self.messages[chat, message["message_id"]] = message
        return message

    # ------------------------------------------------------------------------------------ the bot's calls

    def called(self, *methods: str) -> list[Call]:
        """The successful calls of the given methods so far, in order."""
        return [call for call in list(self.calls) if call.method in methods]

    def answers(self, chat: int, message: int) -> list[Call]:
        """The bot's replies to a message."""
        return [call for call in list(self.calls) if replied_to(call) == (chat, message)]

    def wait(self, condition: Callable[[], Any], timeout: float = 20.0) -> Any:
        """Waits until ``condition`` is truthy, checked after every call; returns its value."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (value := condition()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"still waiting; calls: {[call.method for call in self.calls[-20:]]}")
                self._changed.wait(min(left, 0.1))
            return value

    def said(self, chat: int, count: int = 1, timeout: float = 20.0) -> list[str]:
        """Waits for ``count`` messages of the bot in a chat; returns all of its messages there."""

        def texts() -> list[str]:
            return [
                call.parameters["text"]
                for call in self.called("sendMessage")
                if int(call.parameters["chat_id"]) == chat
            ]

        self.wait(lambda: len(texts()) >= count, timeout)
        return texts()

    # --------------------------------------------------------------------------------------------- the API

    async def do(self, method: str, parameters: dict[str, Any], files: dict[str, bytes]) -> Any:
        """Executes a method of the Bot API.

        Raises:
            ValueError: with the status and description of Telegram's refusal.
        """
        if method == "getUpdates":
            return await self._get_updates(int(parameters.get("offset", 0)), float(parameters.get("timeout", 0)))
        with self._changed:
            result = self._result(method, parameters, files)
            self.calls.append(Call(method, parameters, files, time.monotonic(), result))
            self._changed.notify_all()
        return result

    async def _get_updates(self, offset: int, timeout: float) -> list[dict[str, Any]]:
        if self.conflict:
            raise ValueError(409, "Conflict: terminated by other getUpdates request; only one bot instance is running")
        self._pollers += 1
        mine = self._pollers
        deadline = time.monotonic() + timeout
        with self._changed:
            self._updates = [update for update in self._updates if update["update_id"] >= offset]
        self._arrived.set()  # an older long poll must notice this one
        while not self._updates and time.monotonic() < deadline:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), max(0.0, deadline - time.monotonic()))
            except asyncio.TimeoutError:
                break
            if mine != self._pollers:
                raise ValueError(409, "Conflict: terminated by other getUpdates request")
        return self._updates[:100]

    def _result(self, method: str, parameters: dict[str, Any], files: dict[str, bytes]) -> Any:
        if method in ("getMe", "getChatMenuButton"):
            return BOT if method == "getMe" else self.menu_button
        if method == "getFile":
            return self._file(parameters["file_id"])
        if method == "sendMessage":
            return self._sent(parameters, {"text": _checked_text(parameters)})
        if method in ("sendPhoto", "sendMediaGroup"):
            return self._sent_pictures(method, parameters, files)
        if method in ("editMessageText", "editMessageReplyMarkup"):
            return self._edited(method, parameters)
        self._do_and_say_nothing(method, parameters)
        return True

    def _do_and_say_nothing(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "setWebhook":
            self.webhook = parameters
        elif method == "deleteWebhook":
            self.webhook = {}
        elif method == "answerCallbackQuery":
            self._answer_query(parameters)
        elif method in PROFILE_LIMITS:
            ((field, most),) = PROFILE_LIMITS[method].items()
            if len(parameters[field]) > most:
                raise ValueError(400, f"Bad Request: {field} is too long")
        elif method == "setMyCommands":
            self._check_reachable(json.loads(parameters.get("scope", "{}")).get("chat_id"))
        elif method == "setChatMenuButton":
            button = json.loads(parameters["menu_button"])
            _check_web_apps([button])
            self.menu_button = button
        elif method not in ("deleteMyCommands", "sendChatAction"):
            raise ValueError(404, "Not Found")

    def _answer_query(self, parameters: dict[str, Any]) -> None:
        if len(parameters.get("text", "")) > 200:
            raise ValueError(400, "Bad Request: MESSAGE_TOO_LONG")
        if parameters["callback_query_id"] not in self._queries:
            raise ValueError(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self._queries.remove(parameters["callback_query_id"])

    def _file(self, identifier: str) -> dict[str, Any]:
        if identifier not in self.files:
            raise ValueError(400, "Bad Request: invalid file_id")
        size = len(self.files[identifier])
        if size > FILE_LIMIT:
            raise ValueError(400, "Bad Request: file is too big")
        path = f"photos/{identifier}.jpg"
        return {"file_id": identifier, "file_unique_id": identifier, "file_size": size, "file_path": path}

    def _sent_pictures(self, method: str, parameters: dict[str, Any], files: dict[str, bytes]) -> Any:
        if method == "sendPhoto":
            content: dict[str, Any] = {"caption": _checked_caption(parameters)}
            if cv2.imdecode(np.frombuffer(files["photo"], np.uint8), cv2.IMREAD_COLOR) is None:
                raise ValueError(400, "Bad Request: IMAGE_PROCESS_FAILED")
            return self._sent(parameters, content | {"photo": self._sizes(files["photo"])})
        media = json.loads(parameters["media"])
        if not 2 <= len(media) <= 10:
            raise ValueError(400, "Bad Request: there must be 2 to 10 media in an album")
        return [self._sent(parameters, {"caption": _checked_caption(item)}) for item in media]

    def _edited(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        message = self.messages.get((int(parameters["chat_id"]), int(parameters["message_id"])))
        if message is None:
            raise ValueError(400, "Bad Request: message to edit not found")
        if message["from"] != BOT:
            raise ValueError(400, "Bad Request: message can't be edited")
        text = _checked_text(parameters) if method == "editMessageText" else message.get("text")
        markup = _checked_keys(parameters)
        if (text, markup) == (message.get("text"), message.get("reply_markup")):
            raise ValueError(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly "
                "the same as a current content and reply markup of the message",
            )
        message.pop("reply_markup", None)
        message |= ({"text": text} if text is not None else {}) | ({"reply_markup": markup} if markup else {})
        return message

    def _check_reachable(self, chat: int | None) -> None:
        if chat is not None and chat not in self.chats and not any(chat == known for known, _ in self.messages):
            raise ValueError(400, "Bad Request: chat not found")

    def _sent(self, parameters: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
        chat = int(parameters["chat_id"])
        self._check_reachable(chat)
        reply = json.loads(parameters.get("reply_parameters", "null"))
        if reply is not None:
            original = self.messages.get((chat, reply["message_id"]))
            if original is not None:
                content["reply_to_message"] = original
            elif not reply.get("allow_sending_without_reply"):
                raise ValueError(400, "Bad Request: message to be replied not found")
        markup = _checked_keys(parameters)
        _check_web_apps([button for row in (markup or {}).get("keyboard", []) for button in row], chat)
        if markup is not None and "inline_keyboard" in markup:
            content["reply_markup"] = markup
        return self._new_message(chat, content | {"from": BOT})


def _check_web_apps(buttons: Iterable[Any], chat: int = 0) -> None:
    """Refuses buttons that open a page in a group, or a page that is neither https nor local."""
    for address in [button["web_app"]["url"] for button in buttons if "web_app" in button]:
        if chat < 0:
            raise ValueError(400, "Bad Request: BUTTON_TYPE_INVALID")
        if not address.startswith(("https://", "http://127.0.0.1:")):
            raise ValueError(400, f"Bad Request: Web App URL '{address}' is invalid: Only HTTPS links are allowed")


def _checked_text(parameters: dict[str, Any]) -> str:
    text = str(parameters.get("text", ""))
    if not text.strip():
        raise ValueError(400, "Bad Request: message text is empty")
    if len(text) > 4096:
        raise ValueError(400, "Bad Request: message is too long")
    _check_markup(text, parameters)
    return text


def _checked_keys(parameters: dict[str, Any]) -> dict[str, Any] | None:
    markup: dict[str, Any] | None = json.loads(parameters.get("reply_markup", "null"))
    for key in (key for row in (markup or {}).get("inline_keyboard", ()) for key in row):
        if not 1 <= len(key["callback_data"].encode()) <= 64:
            raise ValueError(400, "Bad Request: BUTTON_DATA_INVALID")
    return markup


def _checked_caption(parameters: dict[str, Any]) -> str:
    caption = str(parameters.get("caption", ""))
    if len(caption) > 1024:
        raise ValueError(400, "Bad Request: message caption is too long")
    _check_markup(caption, parameters)
    return caption


def _check_markup(text: str, parameters: dict[str, Any]) -> None:
    """Refuses malformed markup. The bot uses only HTML, so only that is supported."""
    mode = parameters.get("parse_mode")
    if mode is None:
        return
    if mode != "HTML":
        raise ValueError(400, f"Bad Request: unsupported parse_mode {mode}")
    try:
        ElementTree.fromstring(f"<text>{text}</text>")
    except ElementTree.ParseError as error:
        raise ValueError(400, f"Bad Request: can't parse entities: {error}") from error


def replied_to(call: Call) -> tuple[int, int] | None:
    """The chat and number of the message that a call replied to."""
    if "reply_parameters" not in call.parameters:
        return None
    return int(call.parameters["chat_id"]), int(json.loads(call.parameters["reply_parameters"])["message_id"])


class _Handler(RequestHandler):
    def initialize(self, api: LoopbackBotApi) -> None:
        self.api = api

    async def fails(self, method: str, after_the_work: bool = False) -> bool:
        """Fails if a fault is set; returns whether it did."""
        if not after_the_work:
            self.api.attempts[method] = self.api.attempts.get(method, 0) + 1
            self.planned = self.api.fault(method)
        fault = self.planned
        if fault is None or fault.after_the_work != after_the_work:
            return False
        if fault.hang_s:
            await asyncio.sleep(fault.hang_s)
        if fault.status:
            self.refuse(fault.status, "Fault", {"retry_after": fault.retry_after} if fault.retry_after else None)
        else:
            self.detach().close()
        return True

    def refuse(self, status: int, description: str, parameters: dict[str, Any] | None = None) -> None:
        body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
        self.set_status(status)
        self.finish(json.dumps(body | ({"parameters": parameters} if parameters else {})))


class _Method(_Handler):
    async def post(self, token: str, method: str) -> None:
        if unquote(token) != self.api.token:
            return self.refuse(401, "Unauthorized")
        if await self.fails(method):
            return None
        parameters = {name: self.get_body_argument(name) for name in self.request.body_arguments}
        files = {name: parts[0]["body"] for name, parts in self.request.files.items()}
        try:
            result = await self.api.do(method, parameters, files)
        except ValueError as error:
            status, description = error.args
            return self.refuse(status, description)
        if await self.fails(method, after_the_work=True):
            return None
        self.finish(json.dumps({"ok": True, "result": result}))
        return None


class _File(_Handler):
    async def get(self, token: str, path: str) -> None:
        if unquote(token) != self.api.token:
            return self.refuse(401, "Unauthorized")
        if await self.fails("download"):
            return None
        self.finish(self.api.files[path.partition("/")[2].removesuffix(".jpg")])
        return None


def texts_of(calls: Iterable[Call]) -> list[str]:
    """The texts of calls: of messages the text, of pictures the caption."""
    return [call.parameters.get("text") or call.parameters.get("caption", "") for call in calls]
