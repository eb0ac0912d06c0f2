"""`digits models`: the registry of pushed versions."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import AsJson, PushDir, present, stop

if TYPE_CHECKING:
    from rich.text import Text

    from serving_bot.versions.registry import PushedVersion, Registry

models = typer.Typer(
    no_args_is_help=True, help="Pushed versions: list, show, promote, roll back, and what was live when."
)

_ACTIONS = {
    "push": "pushed",
    "promote": "promoted",
    "rollback": "rolled back",
    "unpin": "unpinned",
    "edit": "pin changed by hand",
}


@models.command("list")
def list_(push_dir: PushDir = "serving_model", as_json: AsJson = False) -> None:
    """List the versions, newest first, and which one is live."""
    from rich.console import Group
    from rich.table import Column, Table
    from rich.text import Text

    from serving_bot.versions.registry import read_registry

    registry = read_registry(push_dir)
    if as_json:
        live = registry.live.number if registry.live else None
        versions = [_as_json(version, registry) for version in registry.versions]
        facts = {"push_dir": push_dir, "live": live, "pin": registry.pin, "problem": registry.problem}
        present({**facts, "versions": versions})
        return
    number, run = (Column(title, no_wrap=True) for title in ("version", "run"))
    table = Table(number, "model", "test accuracy", "pushed (UTC)", run, "state", box=None, pad_edge=False)
    reasons = []
    for version in registry.versions:
        table.add_row(
            str(version.number),
            _name(version),
            _percent(version),
            _time(version.pushed_at),
            str(version.card.get("run_id", "")),
            _describe_state(version, registry, reason=False),
        )
        if version.problem is not None:
            reasons.append(Text(f"  • {version.number} is {version.state}: {version.problem}"))
    present(Group(table, *reasons))
    _warn(registry)


@models.command()
def show(
    version: Annotated[
        int | None, typer.Argument(help="Version to show; by default the live one.", show_default=False)
    ] = None,
    push_dir: PushDir = "serving_model",
    as_json: AsJson = False,
) -> None:
    """Show a version's card and state; checks that it reads the bot's canary digits."""
    from rich.table import Column, Table
    from rich.text import Text

    from serving_bot.versions.registry import find_problem, read_registry

    registry = read_registry(push_dir)
    if version is None and registry.live is None:
        stop(registry.problem or f"No version in {push_dir} can be served. `digits models list` says why.")
    chosen = registry.live if version is None else registry[version]
    assert chosen is not None  # stop() does not return
    chosen = replace(chosen, problem=find_problem(chosen))
    if as_json:
        present({**_as_json(chosen, registry), "card": chosen.card})
        return
    card = chosen.card
    rows = {
        "Version": f"{chosen.number}, {chosen.version.path}",
        "State": _describe_state(chosen, registry) or "in order, not live",
        "Model": _name(chosen),
        "Test accuracy": _percent(chosen),
        "Trained": card.get("trained_at"),
        "Pushed": _time(chosen.pushed_at),
        "Run": card.get("run_id"),
        "Code": card.get("git_revision"),
        **{
            f"{title}{name}": value
            for title, key in (("", "versions"), ("Data: ", "data"))
            for name, value in (card[key].items() if isinstance(card.get(key), dict) else ())
        },
    }
    table = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    for name, value in rows.items():
        table.add_row(name, Text(str(value)))
    present(table)
    _warn(registry)


@models.command()
def promote(
    version: Annotated[int, typer.Argument(help="The version to serve from now on.")],
    push_dir: PushDir = "serving_model",
    as_json: AsJson = False,
) -> None:
    """Serve this version from now on, whatever is pushed later: pins it."""
    from serving_bot.versions import pinning

    chosen = pinning.promote(push_dir, version)
    _say_pinned(chosen, push_dir, as_json)


@models.command()
def rollback(push_dir: PushDir = "serving_model", as_json: AsJson = False) -> None:
    """Serve the version before the live one: pins the latest older version that works. Deletes nothing."""
    from serving_bot.versions import pinning

    chosen = pinning.rollback(push_dir)
    _say_pinned(chosen, push_dir, as_json)


@models.command()
def unpin(push_dir: PushDir = "serving_model", as_json: AsJson = False) -> None:
    """Serve the newest version again: removes the pin."""
    from serving_bot.versions import pinning, registry

    was_pinned = pinning.unpin(push_dir)
    live = registry.read_registry(push_dir).live
    if as_json:
        present({"live": live.number if live else None, "pin": None, "was_pinned": was_pinned})
        return
    now = f"Version {live.number} ({live.name}) is live." if live else "No version can be served."
    typer.echo(f"{'The pin is removed.' if was_pinned else 'Nothing was pinned.'} {now}")


@models.command()
def history(push_dir: PushDir = "serving_model", as_json: AsJson = False) -> None:
    """Show what was live when, oldest first: pushes, promotions, rollbacks."""
    from rich.table import Table

    from serving_bot.versions.history import read_history
    from serving_bot.versions.registry import read_registry

    registry = read_registry(push_dir)
    told = read_history(registry)
    if as_json:
        events = [{**asdict(event), "at": event.at.isoformat() if event.at else None} for event in told.events]
        facts = {"push_dir": push_dir, "damaged_lines": told.damaged_lines, "problem": registry.problem}
        present({**facts, "events": events})
        return
    names = {
        version.number: f"{version.name} ({version.state} now)" if version.problem else version.name
        for version in registry.versions
    }
    table = Table("when (UTC)", "what", "version", "live from then on", "model", box=None, pad_edge=False)
    for event in told.events:
        table.add_row(
            _time(event.at) if event.at else "unknown",
            _ACTIONS[event.action],
            str(event.version or ""),
            str(event.live or "none"),
            names.get(event.live or 0, "deleted"),
        )
    present(table)
    if told.damaged_lines:
        lines = ", ".join(map(str, told.damaged_lines))
        typer.echo(f"Skipped damaged lines {lines} of {push_dir}/history.jsonl.", err=True)
    _warn(registry)


def _say_pinned(version: PushedVersion, push_dir: str, as_json: bool) -> None:
    if as_json:
        present({"live": version.number, "pin": version.number})
        return
    typer.echo(
        f"Version {version.number} ({version.name}) is live now and stays live, whatever is pushed to {push_dir}, "
        "until `digits models unpin`."
    )


def _as_json(version: PushedVersion, registry: Registry) -> dict[str, Any]:
    facts = ("model", "display_name", "epochs", "seed", "run_id", "git_revision", "trained_at")
    return {
        "version": version.number,
        "path": version.version.path,
        "state": version.state,
        "live": version == registry.live,
        "pinned": version.number == registry.pin,
        "problem": version.problem,
        "pushed_at": version.pushed_at.isoformat() if version.pushed_at else None,
        "test_accuracy": version.test_accuracy,
        **{fact: version.card.get(fact) for fact in facts},
    }


def _describe_state(version: PushedVersion, registry: Registry, reason: bool = True) -> Text:
    from rich.text import Text

    words = ["pinned"] if version.number == registry.pin else []
    if version == registry.live:
        return Text(", ".join(["live", *words]), style="green")
    if version.problem is not None:
        state = f"{version.state}: {version.problem}" if reason else version.state
        return Text(", ".join([state, *words]), style="red")
    return Text(", ".join(words))


def _name(version: PushedVersion) -> str:
    """The network, its epochs and its seed, as far as the card has them."""
    seed = version.card.get("seed")
    return version.name if seed is None else f"{version.name}, seed {seed}"


def _percent(version: PushedVersion) -> str:
    return "" if version.test_accuracy is None else f"{version.test_accuracy:.2%}"


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def _warn(registry: Registry) -> None:
    if registry.problem is not None:
        typer.echo(registry.problem, err=True)
    elif registry.live is None:
        typer.echo("No version can be served.", err=True)
