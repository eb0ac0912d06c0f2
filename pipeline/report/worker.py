"""Writes a report in a process of its own, which loads TensorFlow; its noise is kept off the screen."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.history.reading import find_run, read_runs
from pipeline.report import ReportError
from pipeline.workers import ask


def write_report_in_child(
    root: Path, run_ids: Sequence[str], output: Path, *, photos: Sequence[Path] = (), command: str
) -> Path:
    """Writes the report on some runs.

    Args:
        root: the local folder of the runs' metadata.
        run_ids: evaluated runs.
        output: folder for report.html, report.md and report.json.
        photos: files with the output of `digits evaluate-photos --json`.
        command: the command that the user gave.

    Returns:
        The page's path.

    Raises:
        ReportError: what is wanted cannot be read, or the report cannot be written.
    """
    request = {
        "root": str(root),
        "run_ids": list(run_ids),
        "output": str(output),
        "photos": [str(file) for file in photos],
        "command": command,
    }
    answer = ask("pipeline.report.worker", request=request, error=ReportError, failure="The report could not be made")
    return Path(answer["page"])


def main() -> None:
    """Writes the report that is asked for on standard input; the last line says {"page": ...} or {"error": ...}."""
    from pipeline.report.collection import collect  # noqa: PLC0415 (loads TensorFlow)
    from pipeline.report.writing import write_report  # noqa: PLC0415

    request = json.load(sys.stdin)
    try:
        runs = read_runs(request["root"])
        report = collect(
            [find_run(runs, run_id) for run_id in request["run_ids"]],
            [Path(file) for file in request["photos"]],
            request["command"],
        )
        answer = {"page": str(write_report(report, Path(request["output"])))}
    except ReportError as error:
        answer = {"error": str(error)}
    except OSError as error:
        answer = {"error": f"{request['output']} cannot be written: {error.strerror}. Choose another --output."}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
