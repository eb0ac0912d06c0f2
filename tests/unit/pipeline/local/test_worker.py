import logging

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
