import logging
import os
import threading

from pipeline.local import worker


def test_progress_is_passed_on_and_other_records_are_not():
    events = []
    logger = logging.getLogger("test_child")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(worker.ProgressHandler(events.append))
    logger.info("note")
    logger.info("far", extra={"progress": {"epoch": 2, "step": 3}})

    assert events == [{"event": "progress", "epoch": 2, "step": 3}]


def test_the_child_ends_when_nobody_reads_its_events_any_more(monkeypatch):
    """Else a killed `digits run` would leave it working in a root that the next run takes for free."""
    ended = threading.Event()
    monkeypatch.setattr(worker.os, "_exit", lambda status: ended.set())
    receiving, sending = os.pipe()
    try:
        threading.Thread(target=worker.end_with_reader, args=(sending,), daemon=True).start()
        os.write(sending, b"an event\n")
        assert not ended.wait(0.3)
        os.close(receiving)
        assert ended.wait(5)
    finally:
        os.close(sending)
