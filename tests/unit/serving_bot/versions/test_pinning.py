import json
import os
import stat
import subprocess
import sys

import pytest
from tiny_model import push

from serving_bot.versions.folder import PushFolderError, locked
from serving_bot.versions.hot_swap import ModelServer
from serving_bot.versions.pinning import promote, rollback, unpin
from serving_bot.versions.registry import read_registry


def changes(push_dir):
    return [json.loads(line) for line in (push_dir / "history.jsonl").read_text().splitlines()]


def test_promotion_and_rollback_write_the_bots_pin(push_dir):
    server = ModelServer(str(push_dir))
    served = []
    for change in (
        lambda: None,
        lambda: rollback(str(push_dir)),
        lambda: rollback(str(push_dir)),
        lambda: promote(str(push_dir), 2),
        lambda: push(push_dir, 4),
        lambda: unpin(str(push_dir)),
    ):
        change()
        server.refresh()
        served.append(server.current.version.number)
    server.close()

    assert served == [3, 2, 1, 2, 2, 4]
    assert sorted(path.name for path in push_dir.iterdir()) == [".lock", "1", "2", "3", "4", "history.jsonl"]
    assert [(change["action"], change["version"], change["was_live"]) for change in changes(push_dir)] == [
        ("rollback", 2, 3),
        ("rollback", 1, 2),
        ("promote", 2, 1),
        ("unpin", None, 2),
    ]


def test_the_pin_is_written_atomically_and_the_bots_user_can_read_it(push_dir, monkeypatch):
    seen = []
    replace = os.replace

    def watched(aside, pin):
        seen.append((open(aside).read(), (push_dir / "pin").exists()))  # noqa: SIM115
        replace(aside, pin)

    monkeypatch.setattr("serving_bot.storage.os.replace", watched)
    promote(str(push_dir), 2)

    assert seen == [("2\n", False)]
    assert (push_dir / "pin").read_text() == "2\n"
    assert stat.S_IMODE((push_dir / "pin").stat().st_mode) == stat.S_IMODE((push_dir / "history.jsonl").stat().st_mode)


def test_a_rollback_skips_damaged_versions(push_dir):
    (push_dir / "2" / "assets.extra/model.tflite").write_bytes(b"cut short")

    assert rollback(str(push_dir)).number == 1


def test_unpinning_without_a_pin_changes_nothing(push_dir):
    assert unpin(str(push_dir)) is False
    assert not (push_dir / "history.jsonl").exists()


@pytest.mark.parametrize(
    ("pin", "sentence"), [("7", "asks for version 7, which is missing"), ("new", "must contain one version number")]
)
def test_a_wrong_pin_is_a_one_line_error_and_can_be_corrected(push_dir, pin, sentence):
    (push_dir / "pin").write_text(pin)
    found = read_registry(str(push_dir))

    assert found.live.number == 3
    assert sentence in found.problem
    assert unpin(str(push_dir)) is True
    assert read_registry(str(push_dir)).live.number == 3


def test_an_unwritable_folder_is_a_one_line_error(push_dir, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("serving_bot.storage.os.replace", refuse)
    with pytest.raises(PushFolderError, match=r"could not be changed: Permission denied\."):
        promote(str(push_dir), 1)
    assert not (push_dir / "history.jsonl").exists()


def test_a_pin_to_a_missing_version_lets_list_and_bot_serve_the_next_best(push_dir):
    (push_dir / "pin").write_text("7")
    (push_dir / "3" / "assets.extra/model.tflite").write_bytes(b"damaged")
    server = ModelServer(str(push_dir))
    server.refresh()
    found = read_registry(str(push_dir))
    server.close()

    assert server.current.version.number == found.live.number == 2
    assert "asks for version 7" in found.problem


def test_a_pin_to_a_damaged_version_lets_list_and_bot_serve_the_next_best(push_dir):
    promote(str(push_dir), 1)
    (push_dir / "1" / "assets.extra/model.tflite").write_bytes(b"damaged")
    server = ModelServer(str(push_dir))
    server.refresh()
    found = read_registry(str(push_dir))
    server.close()

    assert server.current.version.number == found.live.number == 3
    assert "asks for version 1, which is damaged: serving the newest working version" in found.problem


def test_concurrent_commands_lose_no_change(push_dir):
    """Real processes: each pins, records and ends."""
    program = "import sys; from serving_bot.versions.pinning import promote; promote(sys.argv[1], int(sys.argv[2]))"
    commands = [[sys.executable, "-c", program, str(push_dir), str(1 + number % 3)] for number in range(6)]
    running = [subprocess.Popen(command) for command in commands]

    assert [process.wait(timeout=120) for process in running] == [0] * 6
    noted = changes(push_dir)
    assert sorted(change["version"] for change in noted) == [1, 1, 2, 2, 3, 3]
    assert [change["was_live"] for change in noted[1:]] == [change["version"] for change in noted[:-1]]
    assert (push_dir / "pin").read_text() == f"{noted[-1]['version']}\n"


def test_a_folder_that_stays_locked_is_a_one_line_error(push_dir, monkeypatch):
    monkeypatch.setattr("serving_bot.versions.folder.LOCK_TIMEOUT_S", 0.1)
    with locked(str(push_dir)), pytest.raises(PushFolderError, match="Another command has been changing"):
        promote(str(push_dir), 1)
    promote(str(push_dir), 1)


def test_a_missing_folder_is_not_created(tmp_path):
    with locked(str(tmp_path / "absent")):
        assert not (tmp_path / "absent").exists()
