"""`digits tensorboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import Root


def tensorboard(
    root: Root = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free port.")] = 6006,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open the training curves of all runs, named by model, epochs and run id. Ctrl+C stops it."""
    from pipeline.history.tensorboard import serve

    def announce(url: str, trainings: int) -> None:
        typer.echo(f"TensorBoard shows {trainings} training{'s' if trainings != 1 else ''} at {url} (Ctrl+C stops it)")

    try:
        serve(root, host, port, announce)
    except KeyboardInterrupt:
        typer.echo("")
