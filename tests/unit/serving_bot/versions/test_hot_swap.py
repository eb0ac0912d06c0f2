import asyncio
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from tiny_model import flatbuffer, picture, push
from worker_stand_in import replace_workers

from models.export.layout import MODEL_FILE
from serving_bot.reading.classifier import BrokenModelError
from serving_bot.versions.folder import Version
from serving_bot.versions.hot_swap import ModelServer, ServedModel, check_version


def test_predicting_at_once_does_not_wait_for_a_reader(tmp_path):
    model = ServedModel.load(Version(1, str(push(tmp_path, 1))), readers=1)
    images = np.zeros((2, 28, 28), np.uint8)

    np.testing.assert_array_equal(model.predict_at_once(images), model.predict(images))
    with model._borrowed():
        assert model.predict_at_once(images) is None


def test_a_loaded_version_is_thread_safe(tmp_path):
    model = ServedModel.load(Version(1, str(push(tmp_path, 1))), readers=2)
    answers = {}

    def read(number):
        text = f"{number:02}"
        answers[text] = "".join(str(digit.digit) for digit in model.read(picture(text)).digits)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 24
    assert all(text == answer for text, answer in answers.items())


BROKEN = {
    "truncated": lambda folder: cut(folder / "assets.extra" / "model.tflite"),
    "empty": lambda folder: (folder / "assets.extra" / "model.tflite").write_bytes(b""),
    "missing": lambda folder: (folder / "assets.extra" / "model.tflite").unlink(),
    "no card": lambda folder: (folder / "assets.extra" / "card.json").unlink(),
    "bad card": lambda folder: (folder / "assets.extra" / "card.json").write_text("{"),
    "odd card": lambda folder: (folder / "assets.extra" / "card.json").write_text('{"temperature": "warm"}'),
    "wrong": lambda folder: (folder / "assets.extra" / "model.tflite").write_bytes(
        flatbuffer([1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    ),
}


def cut(file):
    file.write_bytes(file.read_bytes()[:-5000])


@pytest.mark.parametrize("damage", BROKEN)
def test_a_broken_version_is_detected_in_a_separate_process(tmp_path, damage):
    folder = push(tmp_path, 1)
    BROKEN[damage](folder)
    with pytest.raises(BrokenModelError, match=str(folder)):
        check_version(Version(1, str(folder)))


def test_a_version_that_kills_its_process_is_broken(tmp_path, monkeypatch):
    replace_workers(monkeypatch, tmp_path, "os.abort()")
    with pytest.raises(BrokenModelError, match=r"its process ended with signal 6 \(SIGABRT\)"):
        check_version(Version(1, str(push(tmp_path, 1))))


def test_a_version_that_does_not_answer_in_time_is_broken(tmp_path, monkeypatch):
    monkeypatch.setattr("serving_bot.versions.hot_swap.CHECK_TIMEOUT_S", 0.2)
    replace_workers(monkeypatch, tmp_path, "time.sleep(60)")
    with pytest.raises(BrokenModelError, match=r"loading it failed: no answer within 0\.2 s"):
        check_version(Version(1, str(push(tmp_path, 1))))


def test_closing_the_server_ends_the_check_of_a_version(tmp_path, monkeypatch):
    replace_workers(monkeypatch, tmp_path, "time.sleep(60)")
    push(tmp_path, 1)
    server = ModelServer(str(tmp_path))
    start = time.monotonic()
    with ThreadPoolExecutor() as pool:
        looking = pool.submit(server.refresh)
        while server._checking is None:
            time.sleep(0.01)
        server.close()
        assert looking.result() == []
    assert time.monotonic() - start < 10


def test_the_server_swaps_and_current_readings_finish(tmp_path):
    server = ModelServer(str(tmp_path))
    assert server.refresh() == []
    assert server.current is None
    push(tmp_path, 1)
    server.refresh()
    old = server.current
    assert old.version.number == 1
    push(tmp_path, 2)
    assert server.refresh() == []
    assert server.current.version.number == 2
    assert [digit.digit for digit in old.read(picture("42")).digits] == [4, 2]


def test_a_broken_version_is_reported_once_and_the_old_one_stays(tmp_path):
    push(tmp_path, 1)
    server = ModelServer(str(tmp_path))
    server.refresh()
    broken = push(tmp_path, 2, b"no flatbuffer")
    assert [failed.version.number for failed in server.refresh()] == [2]
    assert server.refresh() == []
    assert server.current.version.number == 1
    (broken / "assets.extra" / "model.tflite").write_bytes(flatbuffer())
    assert server.refresh() == []
    assert server.current.version.number == 2, "a repaired version is tried again"


def test_a_first_look_takes_the_best_version_that_works(tmp_path):
    push(tmp_path, 1)
    push(tmp_path, 2)
    push(tmp_path, 3, b"no flatbuffer")
    server = ModelServer(str(tmp_path))
    assert [failed.version.number for failed in server.refresh()] == [3]
    assert server.current.version.number == 2


def test_a_pin_brings_an_older_version_back_and_its_removal_the_newest(tmp_path):
    push(tmp_path, 1)
    push(tmp_path, 2)
    server = ModelServer(str(tmp_path))
    served = []
    for pin in (None, "1", "5", None):
        (tmp_path / "pin").unlink(missing_ok=True)
        if pin is not None:
            (tmp_path / "pin").write_text(pin)
        server.refresh()
        served.append(server.current.version.number)
    assert served == [2, 1, 2, 2], "with a pin on a version that is not there, the newest is served"


def test_the_folder_may_disappear_while_serving(tmp_path, caplog):
    folder = push(tmp_path / "models", 1)
    server = ModelServer(str(tmp_path / "models"))
    server.refresh()
    folder.rename(tmp_path / "elsewhere")
    server.refresh()
    assert server.current.version.number == 1
    assert json.loads((tmp_path / "elsewhere" / "assets.extra" / "card.json").read_text()) == server.current.card


class RefusedError(Exception):
    """Like gcsfs's HttpError and google-auth's errors, not an OSError."""


class ClosedStore(MemoryFileSystem):
    """A bucket whose login has expired."""

    protocol = "closed"

    def ls(self, path, detail=True, **_):
        raise RefusedError("Anonymous caller does not have storage.objects.list access")

    info = ls


def test_a_refusing_store_is_reported_once_and_the_old_model_stays(tmp_path, caplog):
    fsspec.register_implementation("closed", ClosedStore)
    push(tmp_path, 1)
    server = ModelServer(str(tmp_path))
    server.refresh()
    server.push_dir = "closed://models"
    assert [server.refresh(), server.refresh()] == [[], []]
    assert server.current.version.number == 1
    assert caplog.text.count("cannot look for new versions") == 1


def test_watching_loads_a_new_version(tmp_path):
    push(tmp_path, 1)
    server = ModelServer(str(tmp_path))

    async def watch():
        looks = []
        watcher = asyncio.create_task(server.watch(looks.append))
        while server.current is None:
            await asyncio.sleep(0.01)
        push(tmp_path, 2, b"no flatbuffer")
        while not any(looks):
            await asyncio.sleep(0.01)
        watcher.cancel()
        return [failed.version.number for look in looks for failed in look]

    assert asyncio.run(asyncio.wait_for(watch(), 30)) == [2]
    assert server.current.version.number == 1


def test_an_overwritten_version_in_service_is_noticed(tmp_path, caplog):
    push(tmp_path, 1)
    push(tmp_path, 2)
    server = ModelServer(str(tmp_path))
    server.refresh()
    before = server.current
    shutil.rmtree(tmp_path / "2")
    push(tmp_path, 2)
    assert server.refresh() == []
    assert server.current is not before
    assert server.current.version.number == 2
    after = server.current
    server.refresh()
    assert server.current is after
    assert caplog.text.count("the version in service was overwritten") == 1
    (tmp_path / "2" / MODEL_FILE).write_bytes(b"nonsense")
    assert [failed.version.number for failed in server.refresh()] == [2]
    assert server.current.version.number == 1  # as in `digits models list`
    assert server.refresh() == []


def test_a_missing_folder_is_reported_once_and_may_return(tmp_path, caplog):
    caplog.set_level("INFO")
    push(tmp_path / "models", 1)
    server = ModelServer(str(tmp_path / "models"))
    server.refresh()
    (tmp_path / "models").rename(tmp_path / "away")
    server.refresh()
    server.refresh()
    assert "has no complete version: version 1 stays in service from memory" in server.complaint
    assert caplog.text.count("cannot look for new versions") == 1
    (tmp_path / "away").rename(tmp_path / "models")
    server.refresh()
    assert server.complaint is None
    assert server.current.version.number == 1
    assert caplog.text.count("the push folder is in order again") == 1


def test_a_pin_to_a_missing_version_serves_the_next_best_with_a_message(tmp_path):
    push(tmp_path, 1)
    (tmp_path / "pin").write_text("7")
    server = ModelServer(str(tmp_path))
    server.refresh()
    assert server.current.version.number == 1
    assert "asks for version 7" in server.complaint
