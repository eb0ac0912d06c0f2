"""Which of the project's extras brings a package that is missing; pyproject.toml says what is in each."""

from __future__ import annotations

import importlib.util
from typing import Any

from typer.core import TyperGroup

from pipeline.cli.options import stop, stop_without
from workers import UserError

_ONLY_IN = {"gcsfs": "gs", "google.cloud.aiplatform": "vertex", "kfp": "vertex"}
"""Packages that one extra alone brings, whatever the command."""

_WITHOUT_TRAINING = {"bot", "evaluate-photos", "export", "models", "predict", "serve"}
"""Commands that the extra `bot` is enough for; the others need `pipeline`."""

_OURS = {"compat", "components", "models", "pipeline", "serving_bot", "workers"}


class Commands(TyperGroup):
    """The commands of `digits`. Any of them ends with a sentence where a package is missing or UserError is raised."""

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
    """Looks for modules that only a process started later would import.

    Raises:
        ModuleNotFoundError: one is missing, which ends the command with a sentence.
    """
    for module in modules:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:  # not even its package is there
            found = None
        if found is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
