"""Runs the pipeline on this machine, one component after the other."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from absl import logging
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from compat.tfx import PIPELINE_RUN_ID_PARAMETER_NAME, Compiler, PipelineIR, substitute_runtime_parameter
from components.evaluation.result import EvaluationResult
from pipeline.beam_options import explain_failure
from pipeline.config import REPORTS_FOLDER, USERS_EVALUATOR, PipelineConfig
from pipeline.graph import create_pipeline
from pipeline.history.reading import read_run
from pipeline.history.records import Run
from pipeline.local.recording import record_error, record_evaluation, record_run
from pipeline.report import ReportError
from pipeline.report.collection import collect
from pipeline.report.writing import write_report

Report = Callable[[dict[str, Any]], None]
"""Handles one event: a dict of plain JSON values with the key `event` (pipeline/local/runner.py lists the kinds)."""

_ALWAYS_RUN = "VersionedPusher"
"""Never cached: a cached push would not restore a deleted version."""


class ComponentError(RuntimeError):
    """A component failed.

    Attributes:
        component: its id.
        reason: the message for people: the last error in the chain, without the traceback.
    """

    def __init__(self, component: str, reason: str):
        super().__init__(f"{component}: {reason}")
        self.component, self.reason = component, reason


def run(config: PipelineConfig, report: Report = lambda event: None) -> tuple[Run, str | None]:
    """Runs the components one after the other, and reports their starts and ends and the training's progress.

    TFX caches finished components, so the same call resumes after the last completed one.

    Returns:
        The finished run, and its report's page, None if there is none.

    Raises:
        ComponentError: a component failed; earlier components keep their results.
    """
    config.state_folder.mkdir(parents=True, exist_ok=True)
    run_id = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S.%f")
    ir = Compiler().compile(create_pipeline(config))
    substitute_runtime_parameter(ir, {PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    names = [node.pipeline_node.node_info.id for node in ir.nodes]
    report({"event": "plan", "components": names, "run_id": run_id})
    start = time.monotonic()
    evaluation: EvaluationResult | None = None
    for position, name in enumerate(names):
        report({"event": "start", "component": name})
        try:
            LocalDagRunner().run_with_ir(_only(ir, position))
        except Exception as error:
            reason = explain_failure(_reason(error), config.beam_args)
            record_error(config, run_id, name, reason)
            raise ComponentError(name, reason) from error
        if position == 0:
            record_run(config, run_id)
        if name == "Evaluator":
            evaluation = record_evaluation(config, run_id)
        if name == USERS_EVALUATOR:
            record_evaluation(config, run_id, of_users=True)
        report({"event": "end", "component": name, "state": read_run(config.state_folder, run_id)[name].state})
    assert evaluation is not None  # the graph has an Evaluator
    record_run(config, run_id, time.monotonic() - start)
    finished = read_run(config.state_folder, run_id)
    # A comparison has one report on all of its runs.
    return finished, _write_report(config, finished, evaluation) if config.thresholds else None


def _write_report(config: PipelineConfig, run: Run, evaluation: EvaluationResult) -> str | None:
    """The page about the run; None if it cannot be written, which must not fail a run that has pushed its model."""
    try:
        report = collect([run], [], config.command, {run.run_id: evaluation})
        return str(write_report(report, config.state_folder / REPORTS_FOLDER / run.run_id))
    except (ReportError, OSError):
        logging.exception("The report could not be written.")
        return None


def _only(ir: PipelineIR, position: int) -> PipelineIR:
    """The same pipeline with every other node marked as skipped: the runner has no hook between nodes."""
    one = copy.deepcopy(ir)
    for index, node in enumerate(one.nodes):
        options = node.pipeline_node.execution_options
        if index != position:
            options.skip.SetInParent()
        elif node.pipeline_node.node_info.id == _ALWAYS_RUN:
            options.caching_options.enable_cache = False
    return one


def _reason(error: BaseException) -> str:
    """The innermost message. An error from a Beam worker is a text that ends with class, message and step."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip()
    if "[while running" not in text:
        return text or type(error).__name__
    return re.sub(r"^[\w.]+: |\s*\[while running.*$", "", text.splitlines()[-1])
