"""The `digits` command. Thin: each command builds a configuration and calls one function, imported when it runs."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def digits() -> None:
    """Train, compare and push models of handwritten digits, and serve them in a Telegram bot."""


def main() -> None:
    """Entry point of the `digits` command."""
    app()
