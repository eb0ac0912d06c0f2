"""Command options derived from declared settings (models/settings.py)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any

import typer

from models.settings import Setting, settings_of
from pipeline.cli.options import JUDGING, SWITCHES, TRAINING

_METAVARS = {int: "N", float: "X"}  # short, so that the help fits 80 columns
_PANELS = {"Training": TRAINING, "Recipe": TRAINING, "Execution": TRAINING, "Thresholds": JUDGING}


class Given(dict[str, Any]):
    """The values of a command's derived options by setting name; None for options that were not given."""

    def of(self, *declaring: type) -> dict[str, Any]:
        """The values of the settings that these dataclasses declare."""
        return {name: self[name] for one in declaring for name in settings_of(one) if name in self}


def with_settings(
    *declaring: type, without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds an option to a command for each setting of these dataclasses; the command gets the values as `given`."""
    options = {
        name: _option(known, one.__name__)
        for one in declaring
        for name, known in settings_of(one).items()
        if name not in without
    }

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def call(**values: Any) -> None:
            given = Given((name, values.pop(name)) for name in options)
            command(given=given, **values)

        own = inspect.signature(command, eval_str=True).parameters.values()
        parameters = [parameter for parameter in own if parameter.name != "given"]
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in options.items()
        ]
        call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        )
        call.__annotations__ = {p.name: p.annotation for p in parameters}
        return call

    return decorate


def _option(known: Setting, panel: str) -> tuple[Any, Any]:
    """A setting in typer's form: the annotation and the default."""
    flags = [f"--{known.option}"]
    if known.kind is bool:
        flags = [f"--{known.option}/--no-{known.option}"]
    default = None if known.by_model else known.default
    option = typer.Option(
        *flags,
        envvar=known.variable,
        help=known.help,
        min=known.minimum,
        max=known.maximum,
        show_default=known.decided or True,
        rich_help_panel=SWITCHES if known.kind is bool else _PANELS[panel],
        metavar=_METAVARS.get(known.kind),
    )
    return Annotated[known.kind if default is not None else known.kind | None, option], default
