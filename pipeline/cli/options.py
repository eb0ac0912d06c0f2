"""Shared by several commands: options, the console for tables, and ending a command with one sentence."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from models.registry import ARCHITECTURES
from pipeline import beam_options
from pipeline.config import state_folder

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def _known_model(name: str) -> str:
    if name not in ARCHITECTURES:
        raise typer.BadParameter(f"unknown model {name!r}; choose {' or '.join(ARCHITECTURES)}.")
    return name


def openable(address: str) -> str:
    """Returns the folder or address; ends the command if the package that fsspec needs for it is missing."""
    scheme, separator, _ = address.partition("://")
    if not separator:
        return address
    try:
        import fsspec
    except ModuleNotFoundError:  # (the command reports it with its other needs)
        return address
    scheme = scheme.rpartition("::")[2]
    try:
        fsspec.get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        if scheme in ("gs", "gcs"):
            stop_without("gcsfs", "gs", what=address)
        stop(f"{address} cannot be opened: {error}.")
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs every error that it raises, with a traceback
    return address


def openable_if_given(address: str | None) -> str | None:
    """As `openable`, for an option without a default."""
    return None if address is None else openable(address)


DEFAULT_MODEL = "my_model"

TRAINING, SWITCHES, JUDGING, PLACES, ENGINE = "Training", "Training: on or off", "Judging", "Locations", "Engine"
"""Groups of options in `--help`. Options with a `--no-` form are a group, because they need another column."""

_training, _judging, _place, _engine = (
    partial(typer.Option, rich_help_panel=group) for group in (TRAINING, JUDGING, PLACES, ENGINE)
)

Model = Annotated[
    str,
    _training(envvar="DIGITS_MODEL", callback=_known_model, metavar="|".join(ARCHITECTURES), help="Network to train."),
]
Baseline = Annotated[
    Literal["latest", "none"],
    _judging(envvar="DIGITS_BASELINE", help="Compare with the latest earlier blessed model, or with none."),
]
Root = Annotated[
    Path,
    _place(
        envvar="DIGITS_ROOT",
        help="Folder for artifacts, metadata and logs, as given to `digits run`.",
        callback=lambda root: state_folder(str(root)),
    ),
]
ArtifactRoot = Annotated[
    str,
    _place(
        "--root",
        envvar="DIGITS_ROOT",
        help="Folder for artifacts, metadata and logs, or an address such as gs://bucket/digits for the artifacts.",
    ),
]
Data = Annotated[
    str | None,
    _place(
        envvar="DIGITS_DATA", help="Folder or address of the four IDX files.", show_default="ROOT/data, made if missing"
    ),
]
PushDir = Annotated[
    str,
    _place(envvar="DIGITS_PUSH_DIR", help="Folder or address for pushed models.", callback=openable),
]
Feedback = Annotated[
    str | None,
    _training(
        envvar="DIGITS_FEEDBACK_DIR",
        help="Also train and evaluate on accepted contributions of the bot's users, in this folder or address.",
        callback=openable_if_given,
        show_default=False,
    ),
]
NeededFeedback = Annotated[
    str,
    _place(
        envvar="DIGITS_FEEDBACK_DIR",
        help="Folder or address of the contributions of the bot's users.",
        callback=openable,
    ),
]


def _no_trust_in_one(trust: int) -> int:
    if trust == 1:
        raise typer.BadParameter("one contributor alone is not to be trusted; 2 or more, or 0 for none.")
    return trust


Trust = Annotated[
    int,
    _training(
        min=0,
        metavar="N",
        callback=_no_trust_in_one,
        help="Also use unreviewed contributions if this many contributors agree, or the contributor has a good record; "
        "0 for none.",
    ),
]
MaxUsersDrop = Annotated[
    float,
    _judging(min=0, max=1, metavar="X", help="Maximum drop of accuracy on users' digits below the baseline's."),
]
BeamRunner = Annotated[
    beam_options.BeamRunner,
    _engine(envvar="DIGITS_BEAM_RUNNER", help="Beam's engine for everything but training (docs/scaling.md)."),
]
BeamWorkers = Annotated[
    int | None,
    _engine(
        min=1,
        envvar="DIGITS_BEAM_WORKERS",
        help="Processes of the direct runner, maximum machines of Dataflow, parallelism of Flink.",
        show_default="1, or the engine's",
    ),
]
BeamImage = Annotated[
    str | None,
    _engine(
        envvar="DIGITS_BEAM_IMAGE", help="Container image with this package, for remote workers.", show_default=False
    ),
]
BeamArg = Annotated[
    list[str] | None,
    _engine(metavar="--NAME=VALUE", help="A Beam option; repeatable.", show_default=False),
]
NoCache = Annotated[bool, _engine("--no-cache", help="Run every component again.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also show what the libraries print.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def beam_engine(
    runner: beam_options.BeamRunner,
    root: str,
    workers: int | None,
    image: str | None,
    extra: list[str] | None,
) -> tuple[str, ...]:
    """The Beam options from the command line; incompatible options end the command."""
    return beam_options.beam_args(runner, root, workers=workers, image=image, extra=extra or ())


def given_command() -> str:
    """The command as the user typed it."""
    return shlex.join(["digits", *sys.argv[1:]])


def absolute(folder: str) -> str:
    """The absolute path of a local folder; an address such as gs://bucket/folder is unchanged."""
    return folder if "://" in folder else os.path.abspath(folder)


def output() -> Console:
    """The console for tables: as wide as the terminal, or without one, wide enough for whole lines."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200, soft_wrap=True)


def present(content: RenderableType | dict[str, Any] | list[Any]) -> None:
    """Prints JSON values as JSON, anything else with rich."""
    if isinstance(content, dict | list):
        typer.echo(json.dumps(content, indent=2))
    else:
        output().print(content)


def read_token(file: Path) -> str:
    """The content of a token's file; ends the command if it cannot be read."""
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        stop(f"Cannot read the token from {file}: {getattr(error, 'strerror', None) or 'not a text file'}.")


def stop(sentence: str) -> NoReturn:
    """Ends the command with one sentence for the user and exit code 1."""
    typer.echo(f"Error: {sentence}", err=True)
    raise typer.Exit(1)


def stop_without(module: str | None, extra: str, what: str = "This") -> NoReturn:
    """Ends the command because a package from one of the project's extras is missing; no index has the project."""
    stop(f"{what} needs {module}, which is not installed. In the project's folder: pip install '.[{extra}]'")
