import hashlib
import json
import stat
from datetime import datetime, timezone

import fsspec
import pytest
from tiny_model import flatbuffer, push

from serving_bot.versions import registry
from serving_bot.versions.folder import NoPushedModelError, newest_version
from serving_bot.versions.hot_swap import ModelServer
from serving_bot.versions.registry import (
    INCOMPLETE,
    RegistryError,
    asked_for,
    promote,
    read_history,
    read_registry,
    rollback,
    unpin,
)


@pytest.fixture
def push_dir(tmp_path):
    """Versions 1 to 3, in order."""
    for version in (1, 2, 3):
        push(tmp_path, version)
    return tmp_path


def changes(push_dir):
    return [json.loads(line) for line in (push_dir / "history.jsonl").read_text().splitlines()]


def test_versions_come_newest_first_and_the_newest_in_order_is_live(push_dir):
    found = read_registry(str(push_dir))

    assert [version.number for version in found.versions] == [3, 2, 1]
    assert [version.state for version in found.versions] == ["in order"] * 3
    assert found.live.number == 3
    assert found.live.name == "Ten templates"
    assert found.live.test_accuracy == 0.9926
    assert (found.pin, found.problem) == (None, None)


DAMAGE = {
    "flatbuffer cut short": lambda folder: (folder / "assets.extra/model.tflite").write_bytes(flatbuffer()[:-5000]),
    "no flatbuffer": lambda folder: (folder / "assets.extra/model.tflite").unlink(),
    "no card": lambda folder: (folder / "assets.extra/card.json").unlink(),
    "no JSON": lambda folder: (folder / "assets.extra/card.json").write_text("{"),
    "no object": lambda folder: (folder / "assets.extra/card.json").write_text("[]"),
}


def test_damaged_versions_are_shown_as_damaged_and_are_never_live(push_dir):
    """All kinds at once: each look starts a process."""
    for number, damage in enumerate(DAMAGE.values(), 2):
        if number > 3:
            push(push_dir, number)
        damage(push_dir / str(number))
    found = read_registry(str(push_dir))

    assert {version.number: version.state for version in found.versions} == {
        1: "in order",
        **dict.fromkeys(range(2, 2 + len(DAMAGE)), "damaged"),
    }
    assert found.live.number == 1
    with pytest.raises(RegistryError, match=r"Version 2 cannot be served: .*\. Nothing was changed\."):
        promote(str(push_dir), 2)
    assert not (push_dir / "pin").exists()


def test_one_that_answers_nonsense_is_no_live_version_nor_one_to_promote(push_dir):
    for version in (1, 3):
        wrong = flatbuffer([1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
        (push_dir / str(version) / "assets.extra/model.tflite").write_bytes(wrong)
    found = read_registry(str(push_dir))

    assert found.live.number == 2
    assert "canary digits" in found[3].problem
    with pytest.raises(RegistryError, match="Version 1 cannot be served: read 0 of 10 canary digits"):
        promote(str(push_dir), 1)
    with pytest.raises(RegistryError, match=r"Version 2 is live, and .* holds no older one in order"):
        rollback(str(push_dir))


def test_one_that_ends_the_process_that_loads_it_is_damaged_and_the_others_are_still_looked_at(push_dir, monkeypatch):
    """The child dies at each version whose path ends in 2."""
    program = (
        "import json, os, sys\n"
        "for number, path, candidate in json.load(sys.stdin):\n"
        "    number == 2 and os.abort()\n"
        "    print('null', flush=True)\n"
    )
    python = push_dir / "python"
    python.write_text(f"#!/bin/sh\nexec {registry.sys.executable} -c '{program.replace(chr(39), chr(34))}'\n")
    python.chmod(0o755)
    monkeypatch.setattr("serving_bot.versions.registry.sys.executable", str(python))
    found = read_registry(str(push_dir))

    assert {version.number: version.problem for version in found.versions} == {
        3: None,
        2: "loading it ended with exit code -6",
        1: None,
    }


def note_checksum(folder):
    """As the exporter does."""
    card = json.loads((folder / "assets.extra/card.json").read_text())
    card["model_sha256"] = hashlib.sha256((folder / "assets.extra/model.tflite").read_bytes()).hexdigest()
    (folder / "assets.extra/card.json").write_text(json.dumps(card))


def test_versions_with_a_checksum_are_told_from_altered_ones_without_loading_any(push_dir, monkeypatch):
    for version in (1, 2, 3):
        note_checksum(push_dir / str(version))
    monkeypatch.setattr("serving_bot.versions.registry.subprocess", None)
    assert [version.state for version in read_registry(str(push_dir)).versions] == ["in order"] * 3

    monkeypatch.undo()
    flatbuffer_file = push_dir / "3" / "assets.extra/model.tflite"
    content = bytearray(flatbuffer_file.read_bytes())
    content[len(content) // 2] ^= 1  # (it can still be loaded, and reads the canaries)
    flatbuffer_file.write_bytes(content)
    found = read_registry(str(push_dir))

    assert found[3].state == "damaged"
    assert "one of them was altered" in found[3].problem
    assert found.live.number == 2


def test_a_checksum_does_not_promote_what_answers_nonsense(push_dir):
    wrong = flatbuffer([1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    (push_dir / "1" / "assets.extra/model.tflite").write_bytes(wrong)
    note_checksum(push_dir / "1")
    with pytest.raises(RegistryError, match="Version 1 cannot be served: read 0 of 10 canary digits"):
        promote(str(push_dir), 1)


def test_an_incomplete_version_is_shown_as_incomplete(push_dir):
    (push_dir / "3" / "saved_model.pb").unlink()
    found = read_registry(str(push_dir))

    assert (found[3].state, found[3].problem) == ("incomplete", INCOMPLETE)
    assert found.live.number == 2
    with pytest.raises(RegistryError, match=r"Version 3 cannot be served: saved_model\.pb is missing"):
        promote(str(push_dir), 3)


def test_promotion_and_rollback_write_the_pin_that_a_bot_obeys(push_dir):
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
    assert sorted(path.name for path in push_dir.iterdir()) == ["1", "2", "3", "4", "history.jsonl"]
    assert [(change["action"], change["version"], change["was_live"]) for change in changes(push_dir)] == [
        ("rollback", 2, 3),
        ("rollback", 1, 2),
        ("promote", 2, 1),
        ("unpin", None, 2),
    ]


def test_the_pin_appears_whole_and_is_readable_by_the_bot_s_user(push_dir, monkeypatch):
    seen = []
    replace = registry.os.replace

    def watched(aside, pin):
        seen.append((open(aside).read(), (push_dir / "pin").exists()))  # noqa: SIM115
        replace(aside, pin)

    monkeypatch.setattr("serving_bot.versions.registry.os.replace", watched)
    promote(str(push_dir), 2)

    assert seen == [("2\n", False)]
    assert (push_dir / "pin").read_text() == "2\n"
    assert stat.S_IMODE((push_dir / "pin").stat().st_mode) == stat.S_IMODE((push_dir / "history.jsonl").stat().st_mode)


def test_a_rollback_passes_over_what_is_damaged(push_dir):
    DAMAGE["flatbuffer cut short"](push_dir / "2")

    assert rollback(str(push_dir)).number == 1


def test_unpinning_what_is_not_pinned_changes_nothing(push_dir):
    assert unpin(str(push_dir)) is False
    assert not (push_dir / "history.jsonl").exists()


@pytest.mark.parametrize(
    ("pin", "sentence"), [("7", "asks for version 7, which is not there"), ("new", "should hold one version number")]
)
def test_a_wrong_pin_is_a_sentence_and_can_be_put_right(push_dir, pin, sentence):
    (push_dir / "pin").write_text(pin)
    found = read_registry(str(push_dir))

    assert found.live is None
    assert sentence in found.problem
    with pytest.raises(RegistryError, match=r"Nothing in .* is live that could be rolled back"):
        rollback(str(push_dir))
    assert unpin(str(push_dir)) is True
    assert read_registry(str(push_dir)).live.number == 3


def test_history_tells_what_was_live_when(tmp_path):
    for second in (0, 100, 300):
        push(tmp_path, 1763800000 + second)
    lines = [
        {"at": "2025-11-22T08:29:00+00:00", "action": "rollback", "version": 1763800000, "was_live": 1763800100},
        {"at": "2025-11-22T08:33:20+00:00", "action": "unpin", "version": None, "was_live": 1763800000},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "history.jsonl").write_text(text + '{"at": "2025\n[]\n{"at": "2025-11-22", "action": "push"}\n')
    told = read_history(read_registry(str(tmp_path)))

    assert [(event.action, event.live and event.live - 1763800000) for event in told.events] == [
        ("push", 0),
        ("push", 100),
        ("rollback", 0),
        ("push", 0),
        ("unpin", 300),
    ]
    assert told.damaged_lines == (3, 4, 5)


def test_a_pin_changed_by_hand_is_told(push_dir):
    promote(str(push_dir), 1)
    (push_dir / "pin").write_text("2")
    event = read_history(read_registry(str(push_dir))).events[-1]
    assert (event.action, event.version, event.live) == ("edit", 2, 2)
    assert abs((datetime.now(timezone.utc) - event.at).total_seconds()) < 600

    (push_dir / "pin").unlink()
    event = read_history(read_registry(str(push_dir))).events[-1]
    assert (event.action, event.at, event.version, event.live) == ("edit", None, None, 3)


def test_a_line_that_was_cut_short_does_not_swallow_the_next(push_dir):
    (push_dir / "history.jsonl").write_text('{"at": "20')
    promote(str(push_dir), 1)
    told = read_history(read_registry(str(push_dir)))

    assert told.damaged_lines == (1,)
    assert told.events[-1].action == "promote"


def test_a_remote_folder(tmp_path):
    filesystem = fsspec.filesystem("memory")
    try:
        for version in (1, 2):
            filesystem.put(str(push(tmp_path, version)), f"/registry/{version}", recursive=True)
        # (the process that loads versions has another memory: it finds nothing there)
        found = read_registry("memory://registry")
        assert [(version.number, version.name) for version in found.versions] == [
            (2, "Ten templates"),
            (1, "Ten templates"),
        ]
        registry._change(found, "promote", 1)
        assert newest_version("memory://registry") == "memory://registry/1"
        assert asked_for("memory://registry").number == 1
        registry._change(read_registry("memory://registry"), "unpin", None)
        assert newest_version("memory://registry") == "memory://registry/2"
        assert len(filesystem.cat_file("/registry/history.jsonl").splitlines()) == 2
    finally:
        filesystem.rm("/registry", recursive=True)


def test_what_is_not_there_is_one_sentence(push_dir):
    with pytest.raises(RegistryError, match=r"There is no version 9 in .*`digits models list` shows"):
        promote(str(push_dir), 9)
    with pytest.raises(NoPushedModelError, match="No model has been pushed to"):
        read_registry(str(push_dir / "elsewhere"))
    with pytest.raises(RegistryError, match="cannot be opened: Protocol not known"):
        read_registry("nowhere://models")


def test_a_folder_that_cannot_be_written_is_one_sentence(push_dir, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("serving_bot.versions.registry.os.replace", refuse)
    with pytest.raises(RegistryError, match=r"could not be changed: Permission denied\."):
        promote(str(push_dir), 1)
    assert not (push_dir / "history.jsonl").exists()
