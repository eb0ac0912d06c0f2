"""`digits serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import PushDir, read_token, stop


def serve(
    push_dir: PushDir = "serving_model",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free port.")] = 8000,
    listen: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    token_file: Annotated[
        Path | None, typer.Option(help="File with a bearer token that programs must send.", show_default=False)
    ] = None,
    requests_per_minute: Annotated[
        int, typer.Option(min=1, help="Maximum pictures and tensors per minute and address.")
    ] = 600,
    threads: Annotated[int, typer.Option(min=1, help="Number of pictures read at a time.")] = 2,
) -> None:
    """Read digits with the last pushed model, in the browser and over HTTP.

    The page takes drawings, dropped files and photos; /docs describes the API. A newly pushed model is served without a
    restart. Nothing that is sent is stored.
    """
    token = None
    if token_file is not None:
        token = read_token(token_file).strip()
        if not token or len(token.split()) > 1:
            stop(f"{token_file} must contain only the token, on one line.")
    from serving_bot.web.server import WebSettings, run

    def ready(address: str) -> None:
        typer.echo(f"{address} (Ctrl+C stops it)")
        if open_page:
            typer.launch(address)

    run(WebSettings(push_dir, port, listen, threads, token, requests_per_minute), typer.echo, ready)
