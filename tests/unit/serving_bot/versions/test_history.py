import json
from datetime import datetime, timezone

import pytest
from tiny_model import push

from serving_bot.versions import history
from serving_bot.versions.history import read_history
from serving_bot.versions.pinning import promote
from serving_bot.versions.registry import read_registry


def test_history_shows_what_was_live_when(tmp_path):
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


def test_a_pin_changed_by_hand_is_marked(push_dir):
    promote(str(push_dir), 1)
    (push_dir / "pin").write_text("2")
    event = read_history(read_registry(str(push_dir))).events[-1]
    assert (event.action, event.version, event.live) == ("edit", 2, 2)
    assert abs((datetime.now(timezone.utc) - event.at).total_seconds()) < 600

    (push_dir / "pin").unlink()
    event = read_history(read_registry(str(push_dir))).events[-1]
    assert (event.action, event.at, event.version, event.live) == ("edit", None, None, 3)


def test_a_truncated_line_does_not_affect_the_next(push_dir):
    (push_dir / "history.jsonl").write_text('{"at": "20')
    promote(str(push_dir), 1)
    told = read_history(read_registry(str(push_dir)))

    assert told.damaged_lines == (1,)
    assert told.events[-1].action == "promote"


def test_a_full_disk_leaves_no_partial_line(push_dir, monkeypatch):
    promote(str(push_dir), 1)
    before = (push_dir / "history.jsonl").read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(history.os, "fsync", fail)
    registry = read_registry(str(push_dir))
    with pytest.raises(OSError, match="No space left"):
        history.note_change(registry, "promote", 2)
    assert (push_dir / "history.jsonl").read_bytes() == before


def test_a_pushs_date_is_on_its_card(tmp_path):
    """The number is later than the push if the clock was set back, or if two pushes shared a second."""
    card = push(tmp_path, 1763800000) / "assets.extra/card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "pushed_at": "2025-11-20T10:00:00+00:00"}))
    registry = read_registry(str(tmp_path))

    assert registry.live.pushed_at == datetime(2025, 11, 20, 10, tzinfo=timezone.utc)
    assert read_history(registry).events[0].at == registry.live.pushed_at
