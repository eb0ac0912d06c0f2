"""Shared by the `digits vertex` commands."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import stop

Project = Annotated[
    str | None, typer.Option(envvar="GOOGLE_CLOUD_PROJECT", help="Google Cloud project.", show_default=False)
]
Region = Annotated[
    str | None,
    typer.Option(envvar="GOOGLE_CLOUD_REGION", help="Region to run in, such as europe-west4.", show_default=False),
]


def place(project: str | None, region: str | None) -> tuple[str, str]:
    """Project and region; ends the command if one is missing."""
    if not project:
        stop("No project. Give one in --project or GOOGLE_CLOUD_PROJECT.")
    if not region:
        stop("No region. Give one in --region or GOOGLE_CLOUD_REGION, such as europe-west4.")
    return project, region


def pair(text: str, option: str, form: str) -> tuple[str, str]:
    """The two sides of an option's NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"{text!r} is not {form}.", param_hint=option)
    return name, value
