"""`digits export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import PushDir

export = typer.Typer(no_args_is_help=True, help="Export the last pushed model.")


@export.command(epilog="Example: digits export page build/page")
def page(
    folder: Annotated[Path, typer.Argument(help="Target folder; created if missing.", show_default=False)],
    push_dir: PushDir = "serving_model",
) -> None:
    """Write the drawing page with the last pushed model to a folder; it needs no server.

    It works on any web space and from a disk (open index.html). It reads digits drawn side by side without touching;
    for photos, use `digits serve`.
    """
    from serving_bot.web.static import export_page

    version = export_page(str(push_dir), folder)
    typer.echo(f"{folder / 'index.html'} reads digits with version {version}. Open it in a browser.")
