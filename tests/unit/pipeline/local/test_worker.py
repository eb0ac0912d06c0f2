import logging

from pipeline.local import worker


def test_only_progress_records_are_passed_on():
    events = []
    logger = logging.getLogger("test_child")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(worker.ProgressHandler(events.append))
    logger.info("note")
    logger.info("far", extra={"progress": {"epoch": 2, "step": 3}})

    assert events == [{"event": "progress", "epoch": 2, "step": 3}]
