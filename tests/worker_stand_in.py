"""Real workers that run a program written by a test."""

import os
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

import workers
from workers import Worker

USERS = ("pipeline.local.runner", "serving_bot.versions.hot_swap", "serving_bot.versions.registry")
"""Modules that start workers."""


def replace_workers(patch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Makes every new worker run the program, which has `target` and `connection`."""
    module = folder / "stand_in.py"
    head = "import json, os, signal, sys, time\nfrom pathlib import Path\n\n\ndef work(connection):\n"
    target = "    target = os.environ['TARGET']\n"
    module.write_text(head + target + textwrap.indent(textwrap.dedent(program), "    "))

    class StandIn(Worker):
        def __init__(self, target, *, output=None, environment=None):
            given = dict(os.environ if environment is None else environment)
            paths = [str(folder), str(Path(__file__).parent), given.get("PYTHONPATH", "")]
            changed = {**given, "TARGET": target, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
            super().__init__("stand_in:work", output=output, environment=changed)

    for module in [workers.process, *map(import_module, USERS)]:
        patch.setattr(module, "Worker", StandIn)
