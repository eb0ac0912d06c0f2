"""`digits feedback`: users' feedback on the bot's answers, and its review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import AsJson, PushDir, openable, present, stop

if TYPE_CHECKING:
    from serving_bot.feedback.store import Entry

feedback = typer.Typer(no_args_is_help=True, help="Review users' feedback on the bot's answers.")

Folder = Annotated[
    str,
    typer.Option(
        "--feedback-dir",
        envvar="DIGITS_FEEDBACK_DIR",
        help="Folder or address of the contributions, as given to the bot.",
        callback=openable,
    ),
]
Names = Annotated[list[str], typer.Argument(metavar="ID...", help="Contribution ids or their beginnings.")]
DEFAULT_FOLDER = "feedback"


@feedback.command("list")
def list_(
    feedback_dir: Folder = DEFAULT_FOLDER,
    all_: Annotated[bool, typer.Option("--all", help="Also list reviewed contributions.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the contributions that need a review, oldest first."""
    from rich.table import Table

    entries = [entry for entry in _entries(feedback_dir) if all_ or entry.review is None]
    if as_json:
        return present([_as_json(entry) for entry in entries])
    table = Table(box=None, pad_edge=False)
    for title in ("id", "by", "said", "answered", "state", "when"):
        table.add_column(title)
    for entry in entries:
        one = entry.contribution
        table.add_row(
            one.id[:8],
            one.contributor[:8],
            _digit(one.said),
            f"{one.answered} ({one.probability:.0%})",
            _state(entry),
            f"{one.at:%Y-%m-%d %H:%M}",
        )
    present(table if entries else "Nothing waits for a review. (`digits feedback list --all` shows what was reviewed.)")
    return None


@feedback.command()
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="A contribution's id or its beginning.")],
    feedback_dir: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Show a contribution: its crop in the terminal, the contributor's label, and the decision."""
    from serving_bot.feedback.store import Store

    entry = Store(feedback_dir).find(name)
    if as_json:
        return present(_as_json(entry))
    one = entry.contribution
    present(_sketch(one.image))
    said = f"{one.contributor} says {_digit(one.said)}; version {one.version} answered {one.answered}"
    present(f"{one.id}\n{said} ({one.probability:.1%}), {one.at:%Y-%m-%d %H:%M} UTC: {_state(entry)}")
    return None


@feedback.command()
def review(
    feedback_dir: Folder = DEFAULT_FOLDER,
    push_dir: PushDir = "serving_model",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free port.")] = 8001,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Review contributions on a page in the browser: a digit to relabel, space to accept, x to reject.

    Contributions that the last pushed model disagrees with most come first. Only this machine can open the page.
    """
    from serving_bot.feedback.reviewing import serve_page

    def ready(address: str) -> None:
        typer.echo(f"{address} (Ctrl+C stops it)")
        if open_page:
            typer.launch(address)

    serve_page(feedback_dir, push_dir, port, ready)


@feedback.command()
def accept(names: Names, feedback_dir: Folder = DEFAULT_FOLDER) -> None:
    """Accept contributions with the contributor's label."""
    _decide(feedback_dir, names, lambda one: ("accepted", one.said))


@feedback.command()
def reject(names: Names, feedback_dir: Folder = DEFAULT_FOLDER) -> None:
    """Reject contributions: they are never used for training."""
    _decide(feedback_dir, names, lambda _: ("rejected", None))


@feedback.command()
def relabel(
    names: Names,
    digit: Annotated[str, typer.Option(help="The right label: 0 to 9, or none.", show_default=False)],
    feedback_dir: Folder = DEFAULT_FOLDER,
) -> None:
    """Accept contributions with another label: a digit, or none."""
    if digit not in {*"0123456789", "none"}:
        raise typer.BadParameter(f"--digit must be 0 to 9 or none, not {digit}.")
    right = None if digit == "none" else int(digit)
    _decide(feedback_dir, names, lambda _: ("accepted", right))


@feedback.command()
def forget(
    contributor: Annotated[str | None, typer.Argument(help="The contributor's full code, from `list --json`.")] = None,
    user: Annotated[int | None, typer.Option(help="Or a person's Telegram number; needs --key-file.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="The bot's key file.", exists=True, dir_okay=False)] = None,
    feedback_dir: Folder = DEFAULT_FOLDER,
) -> None:
    """Delete a contributor's contributions. Later runs do not use them; `digits lineage` shows versions that did."""
    from serving_bot.feedback.contributors import Contributors
    from serving_bot.feedback.store import Store

    if (contributor is None) == (user is None) or (user is not None and key_file is None):
        stop("Name one contributor: by their code, or by --user and --key-file.")
    store = Store(feedback_dir)
    if contributor is not None:
        if contributor not in store.contributors():
            stop(f"{feedback_dir} has no contributions from {contributor}.")
        names = [contributor]
    else:
        assert key_file is not None and user is not None  # noqa: PT018 (checked above)
        names = Contributors(key_file).names(user)
    count = store.forget(names)
    typer.echo(f"Deleted {count} {'contribution' if count == 1 else 'contributions'}.")


@feedback.command()
def stats(feedback_dir: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Count contributions by state and digit, and show which contributors are often wrong."""
    from rich.table import Table

    from serving_bot.feedback.snapshot import rate_contributors

    entries = _entries(feedback_dir)
    states = Counter(entry.state for entry in entries)
    corrected = sum(entry.contribution.corrects for entry in entries)
    rates = rate_contributors(entries)
    counts = Counter(entry.contribution.contributor for entry in entries)
    digits = Counter(_digit(entry.review.digit) for entry in entries if entry.state == "accepted" and entry.review)
    if as_json:
        return present(
            {
                "contributions": len(entries),
                "states": dict(states),
                "corrections": corrected,
                "accepted_by_digit": dict(sorted(digits.items())),
                "contributors": {
                    name: {
                        "contributions": count,
                        "reviewed": rates.get(name, (0, 0))[0],
                        "right": rates.get(name, (0, 0))[1],
                    }
                    for name, count in counts.most_common()
                },
            }
        )
    shares = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    present(f"{len(entries)} contributions of {len(counts)} people, {corrected} of them corrections. {shares}")
    if digits:
        present("accepted: " + ", ".join(f"{digit}: {count}" for digit, count in sorted(digits.items())))
    table = Table(box=None, pad_edge=False)
    for title in ("contributor", "contributions", "reviewed", "right as said"):
        table.add_column(title, justify="left" if title == "contributor" else "right")
    for name, count in counts.most_common():
        reviewed, right = rates.get(name, (0, 0))
        table.add_row(name[:8], str(count), str(reviewed), f"{right / reviewed:.0%}" if reviewed else "")
    if counts:
        present(table)
    return None


def _entries(folder: str) -> list[Entry]:
    from serving_bot.feedback.store import Store

    return Store(folder).entries()


def _decide(folder: str, names: Sequence[str], decision: Any) -> None:
    from serving_bot.feedback.store import Store

    store = Store(folder)
    chosen = [store.find(name).contribution for name in names]  # (finds all before it changes the first)
    for one in chosen:
        verdict, digit = decision(one)
        store.review(one, verdict, digit)
        typer.echo(f"{one.id[:8]} {verdict}" + (f" as {_digit(digit)}" if verdict == "accepted" else ""))


def _digit(digit: int | None) -> str:
    return "none" if digit is None else str(digit)


def _state(entry: Entry) -> str:
    if entry.review is None or entry.review.verdict == "rejected":
        return entry.state
    return f"accepted as {_digit(entry.review.digit)}"


def _as_json(entry: Entry) -> dict[str, Any]:
    one, review = entry.contribution, entry.review
    return {
        "id": one.id,
        "contributor": one.contributor,
        "said": one.said,
        "answered": one.answered,
        "probability": one.probability,
        "version": one.version,
        "at": one.at.isoformat(),
        "state": entry.state,
        "digit": review.digit if review else None,
    }


def _sketch(image: Any) -> str:
    """A crop for the terminal, two rows per line, light on dark."""
    shades = " ░▒▓█"
    rows = image.reshape(14, 2, 28).mean(axis=1) * (len(shades) - 1) / 255
    return "\n".join("".join(shades[round(float(value))] for value in row) for row in rows)
