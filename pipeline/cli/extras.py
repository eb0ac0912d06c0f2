"""Finds the extra that provides a missing package; pyproject.toml lists what each extra contains."""

from __future__ import annotations

import importlib.util
from typing import Any

from typer.core import TyperGroup

from pipeline.cli.options import stop, stop_without
from workers import UserError

_ONLY_IN = {"gcsfs": "gs", "google.cloud.aiplatform": "vertex", "kfp": "vertex"}
"""Packages that only one extra provides, whatever the command."""

_WITHOUT_TRAINING = {"bot", "evaluate-photos", "export", "feedback", "models", "predict", "serve"}
"""Commands that need only the extra `bot`; the others need `pipeline`."""

_OURS = {"compat", "components", "models", "pipeline", "serving_bot", "workers"}


class Commands(TyperGroup):
    """The commands of `digits`. A command ends with one sentence if a package is missing or UserError is raised."""

    def invoke(self, ctx: Any) -> Any:
        """Runs a command."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            stop(str(error))
        except ModuleNotFoundError as error:
            module = error.name or ""
            if module.partition(".")[0] in _OURS:
                raise
            extra = "bot" if ctx.invoked_subcommand in _WITHOUT_TRAINING else "pipeline"
            stop_without(module, _ONLY_IN.get(module, extra))


def demand(*modules: str) -> None:
    """Checks for modules that a process imports only later.

    Raises:
        ModuleNotFoundError: a module is missing, which ends the command with a sentence.
    """
    for module in modules:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:  # (even its package is missing)
            found = None
        if found is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
