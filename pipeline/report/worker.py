"""Writes a report in a worker, which loads TensorFlow, so its output stays off the screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.config import child_environment
from pipeline.history.reading import find_run, read_runs
from pipeline.report import ReportError
from workers import ask


def write_report_in_child(
    root: Path, run_ids: Sequence[str], output: Path, *, photos: Sequence[Path] = (), command: str
) -> Path:
    """Writes the report on evaluated runs of a root to a folder; returns the page's path.

    Raises:
        ReportError: the runs' outputs cannot be read, or the report cannot be written.
    """
    page: Path = ask(
        "pipeline.report.worker:write",
        root,
        run_ids,
        output,
        photos,
        command,
        error=ReportError,
        failure="The report could not be made",
        environment=child_environment(),
    )
    return page


def write(root: Path, run_ids: Sequence[str], output: Path, photos: Sequence[Path], command: str) -> Path:
    """Does the same in this process."""
    from pipeline.report.collection import collect  # noqa: PLC0415 (loads TensorFlow)
    from pipeline.report.writing import write_report  # noqa: PLC0415

    runs = read_runs(root)
    report = collect([find_run(runs, run_id) for run_id in run_ids], photos, command)
    try:
        return write_report(report, output)
    except OSError as error:
        raise ReportError(f"{output} cannot be written: {error.strerror}. Choose another --output.") from error
