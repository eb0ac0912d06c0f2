import hashlib
import json

import fsspec
import pytest
from tiny_model import flatbuffer, push
from worker_stand_in import replace_workers

from serving_bot.versions import pinning
from serving_bot.versions.folder import NoPushedModelError, PushFolderError
from serving_bot.versions.pinning import promote, rollback
from serving_bot.versions.registry import INCOMPLETE, asked_for, read_registry


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
    """All kinds together, because each check starts a process."""
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
    with pytest.raises(PushFolderError, match=r"Version 2 cannot be served: .*\. Nothing was changed\."):
        promote(str(push_dir), 2)
    assert not (push_dir / "pin").exists()


def test_a_version_that_misclassifies_is_neither_live_nor_promotable(push_dir):
    for version in (1, 3):
        wrong = flatbuffer([1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
        (push_dir / str(version) / "assets.extra/model.tflite").write_bytes(wrong)
    found = read_registry(str(push_dir))

    assert found.live.number == 2
    assert "canary digits" in found[3].problem
    with pytest.raises(PushFolderError, match="Version 1 cannot be served: read 0 of 10 canary digits"):
        promote(str(push_dir), 1)
    with pytest.raises(PushFolderError, match=r"Version 2 is live, but .* has no older working version"):
        rollback(str(push_dir))


def test_a_version_that_kills_its_process_is_damaged_and_the_others_are_checked(push_dir, monkeypatch):
    """The worker dies at version 2."""
    program = """
        for version in connection.recv()[0]:
            version.number == 2 and os.abort()
            connection.send(None)
        """
    replace_workers(monkeypatch, push_dir, program)
    found = read_registry(str(push_dir))

    assert {version.number: version.problem for version in found.versions} == {
        3: None,
        2: "loading it failed: its process ended with signal 6 (SIGABRT)",
        1: None,
    }


def note_checksum(folder):
    """Like the exporter."""
    card = json.loads((folder / "assets.extra/card.json").read_text())
    card["model_sha256"] = hashlib.sha256((folder / "assets.extra/model.tflite").read_bytes()).hexdigest()
    (folder / "assets.extra/card.json").write_text(json.dumps(card))


def test_altered_versions_with_a_checksum_are_detected_without_loading(push_dir, monkeypatch):
    for version in (1, 2, 3):
        note_checksum(push_dir / str(version))
    monkeypatch.setattr("serving_bot.versions.registry.Worker", None)
    assert [version.state for version in read_registry(str(push_dir)).versions] == ["in order"] * 3

    monkeypatch.undo()
    flatbuffer_file = push_dir / "3" / "assets.extra/model.tflite"
    content = bytearray(flatbuffer_file.read_bytes())
    content[len(content) // 2] ^= 1  # (it still loads and reads the canaries)
    flatbuffer_file.write_bytes(content)
    found = read_registry(str(push_dir))

    assert found[3].state == "damaged"
    assert "one of them was altered" in found[3].problem
    assert found.live.number == 2


def test_a_matching_checksum_does_not_promote_a_version_that_misclassifies(push_dir):
    wrong = flatbuffer([1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    (push_dir / "1" / "assets.extra/model.tflite").write_bytes(wrong)
    note_checksum(push_dir / "1")
    with pytest.raises(PushFolderError, match="Version 1 cannot be served: read 0 of 10 canary digits"):
        promote(str(push_dir), 1)


def test_an_incomplete_version_is_shown_as_incomplete(push_dir):
    (push_dir / "3" / "saved_model.pb").unlink()
    found = read_registry(str(push_dir))

    assert (found[3].state, found[3].problem) == ("incomplete", INCOMPLETE)
    assert found.live.number == 2
    with pytest.raises(PushFolderError, match=r"Version 3 cannot be served: saved_model\.pb is missing"):
        promote(str(push_dir), 3)


def test_a_remote_folder(tmp_path):
    filesystem = fsspec.filesystem("memory")
    try:
        for version in (1, 2):
            filesystem.put(str(push(tmp_path, version)), f"/registry/{version}", recursive=True)
        # (the process that loads versions has a separate memory, where the folder is empty)
        found = read_registry("memory://registry")
        assert [(version.number, version.name) for version in found.versions] == [
            (2, "Ten templates"),
            (1, "Ten templates"),
        ]
        pinning._change(found, "promote", 1)
        assert asked_for("memory://registry")[0].version.path == "memory://registry/1"
        pinning._change(read_registry("memory://registry"), "unpin", None)
        assert asked_for("memory://registry")[0].number == 2
        assert len(filesystem.cat_file("/registry/history.jsonl").splitlines()) == 2
    finally:
        filesystem.rm("/registry", recursive=True)


def test_missing_versions_are_a_one_line_error(push_dir):
    with pytest.raises(PushFolderError, match=r"No version 9 in .*`digits models list` lists"):
        promote(str(push_dir), 9)
    with pytest.raises(NoPushedModelError, match="No model has been pushed to"):
        read_registry(str(push_dir / "elsewhere"))
    with pytest.raises(PushFolderError, match="cannot be opened: Protocol not known"):
        read_registry("nowhere://models")
