"""The model that commands read pictures with: the live version of the push folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from models.export.layout import MODEL_CHECKSUM
from pipeline.cli.options import stop
from serving_bot.reading.classifier import BrokenModelError, Classifier
from serving_bot.versions.registry import asked_for, find_problem
from workers import UserError


def load_classifier(push_dir: str) -> tuple[Classifier, str]:
    """The live version's classifier, and its display name.

    Exits with 1 and a sentence if there is none.
    """
    try:
        served, choice = asked_for(push_dir)
        if choice.problem:
            typer.echo(choice.problem, err=True)
        # A flatbuffer with a checksum has been loaded before; any other may crash the process that loads it.
        problem = None if MODEL_CHECKSUM in served.card else find_problem(served)
        if problem:
            raise BrokenModelError(f"{served.version.path}: {problem}")
        with _native_notes_hidden():
            classifier = Classifier.load(served.version.path)
    except (UserError, BrokenModelError) as error:
        stop(str(error))
    except Exception as error:
        if "://" not in push_dir:
            raise
        # Store clients raise various errors for a missing login or bucket.
        stop(f"{push_dir} cannot be read: {error}. Check the address and the login (docs/bot.md).")
    name = classifier.card.get("display_name", classifier.card.get("model", "model"))
    return classifier, f"{name}, version {served.number}"


@contextmanager
def _native_notes_hidden() -> Iterator[None]:
    """Hides what native code writes to standard error: LiteRT announces its delegate at each start."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
