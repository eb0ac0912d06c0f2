"""The whole loop: answers in a chat, corrections, a review, a run, a push, and the same pictures read correctly."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from loopback_bot_api import Call, LoopbackBotApi
from running_bot import running
from tiny_model import picture
from typer.testing import CliRunner, Result

from pipeline.cli import app
from pipeline.history.reading import read_runs
from pipeline.report.users import read_users
from serving_bot.feedback.contributors import Contributors
from serving_bot.feedback.snapshot import Example, take_snapshot
from serving_bot.feedback.store import Store

KEY = "0123456789abcdef" * 4


@pytest.fixture
def api():
    with LoopbackBotApi() as api:
        yield api


def on_its_side(image: np.ndarray) -> bytes:
    """A digit that a model of MNIST misclassifies, because it is rotated: dark on light."""
    large = cv2.resize(np.rot90(image).copy(), (168, 168), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".png", 235 - (np.pad(large, 60) * 0.8).astype(np.uint8))[1].tobytes()


def people(key_file: Path, count: int) -> list[int]:
    """Chats of which the first `count` - 1 are trained on and the last is evaluated on."""
    contributors = Contributors(key_file)
    sides: dict[bool, list[int]] = {True: [], False: []}
    for chat in range(1, 200):
        image = np.zeros((28, 28), np.uint8)
        sides[Example("", contributors.name(chat), image, 0, 0).evaluates].append(chat)
    return [*sides[False][: count - 1], sides[True][0]]


def digits(*arguments: object) -> Result:
    """Runs a command line in this process, in which TensorFlow is already loaded."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def agree(api: LoopbackBotApi, chat: int, choice: str) -> None:
    """Makes a user judge a first answer and consent to storage: `yes`, or `tell` to hear what was learned."""
    message = api.photo(picture("0"), chat=chat)
    answer = api.wait(lambda: api.answers(chat, message))[0]
    api.press(answer, chat, data="right" if "right" in api.buttons(answer) else "wrong")

    def questions():
        sent = [call for call in api.called("sendMessage") if "28×28" in call.parameters["text"]]
        return [call for call in sent if int(call.parameters["chat_id"]) == chat]

    question = api.wait(questions)[0]
    pressed = next(data for data in api.buttons(question) if data.startswith(f"consent:{choice}:"))
    api.press(question, chat, data=pressed)
    api.wait(lambda: api.called("editMessageText"))


def test_corrected_pictures_are_read_correctly_after_the_next_push(api, tiny_run, some_training_images, tmp_path):
    config, feedback, keys = tiny_run.config, tmp_path / "feedback", tmp_path / "keys"
    keys.write_text(KEY)
    images, labels = some_training_images
    sixes = [on_its_side(image) for image in images[labels == 6][:12]]
    chats = people(keys, 3)
    push_dir = tmp_path / "serving_model"
    shutil.copytree(tiny_run.run.destination, push_dir / str(tiny_run.run.version))
    options = ("--feedback-dir", str(feedback), "--feedback-key-file", str(keys), "--pictures-per-minute", "10000")
    with running(api, push_dir, *options):

        def ask(number: int) -> Call:
            chat = chats[number % 3]
            message = api.photo(sixes[number], chat=chat)
            return api.wait(lambda: api.answers(chat, message))[0]

        for chat in chats:
            agree(api, chat, "tell" if chat == chats[0] else "yes")
        before = [ask(number) for number in range(12)]
        for number, answer in enumerate(before):
            if "wrong" in api.buttons(answer):
                reply = api.reply(answer, "6", chat=chats[number % 3])
                api.wait(lambda reply=reply, chat=chats[number % 3]: api.answers(chat, reply))
        waiting = json.loads(digits("feedback", "list", "--feedback-dir", feedback, "--json").stdout)
        done = digits("feedback", "accept", *(one["id"] for one in waiting), "--feedback-dir", feedback)
        assert done.exit_code == 0, done.output
        run = digits(
            *("retrain", "--min-new", "5", "--feedback", feedback, "--epochs", "5", "--seed", "5"),
            *("--user-digits", "16", "--outliers", "0", "--drawn-digits", "0"),
            *("--root", config.root, "--data", config.data, "--push-dir", push_dir),
            *("--min-accuracy", "0", "--min-digit-accuracy", "0", "--max-drop", "1"),
            *("--min-pages-accuracy", "0", "--min-refusal", "0"),
        )
        assert run.exit_code == 0, run.output
        newest = max(int(path.parent.name) for path in push_dir.glob("*/saved_model.pb"))
        api.wait(lambda: f"saw:{newest}" in api.buttons(ask(0)))
        after = [ask(number) for number in range(12)]
        api.wait(lambda: any(text.startswith("Now I read ") for text in api.said(chats[0])))
        told = [chat for chat in chats for text in api.said(chat) if text.startswith("Now I read ")]

    assert len(waiting) >= 10
    assert told == [chats[0]]
    assert sum(reads_a_six(answer) for answer in before) <= 3
    assert sum(reads_a_six(answer) for answer in after) >= 8
    again = digits("retrain", "--min-new", "5", "--feedback", feedback, "--root", config.root)
    assert (again.exit_code, again.stdout) == (0, "Not training: nothing was accepted since the last run.\n")
    users = read_users(read_runs(Path(config.root))[0])
    assert (users.trained + users.examples, users.drift) == (len(waiting), None)  # (too few to measure drift)
    lineage = digits("lineage", newest, "--root", config.root, "--push-dir", push_dir, "--feedback", feedback, "--json")
    known = json.loads(lineage.stdout)
    assert known["users"]["contributors"] == 3
    assert known["forgotten_contributors"] == []

    (gone, *_) = Store(str(feedback)).contributors()
    assert digits("feedback", "forget", gone, "--feedback-dir", feedback).exit_code == 0

    lineage = digits("lineage", newest, "--root", config.root, "--push-dir", push_dir, "--feedback", feedback, "--json")
    assert json.loads(lineage.stdout)["forgotten_contributors"] == [gone]
    assert gone not in take_snapshot(Store(str(feedback)).entries()).contributors


def reads_a_six(answer: Call) -> bool:
    """Whether the answer is a 6, certain or doubtful."""
    return re.search(r"(This is a|My best guess:) 6\b", answer.parameters["text"]) is not None
