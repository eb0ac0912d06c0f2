"""The `digits` command. Thin: each command builds a configuration and calls one function, imported when it runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from models.registry import ARCHITECTURES

if TYPE_CHECKING:
    from serving_bot.reader import Reader

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


PushDir = Annotated[str, typer.Option(envvar="DIGITS_PUSH_DIR", help="Folder that the pipeline pushes models to.")]


@app.callback()
def digits() -> None:
    """Train, compare and push models of handwritten digits, and serve them in a Telegram bot."""


@app.command()
def data(
    dest: Annotated[Path, typer.Option(envvar="DIGITS_DATA", help="Folder for the four IDX files.")] = Path(
        "runs/data"
    ),
    source: Annotated[
        Literal["auto", "mirror", "bundled"],
        typer.Option(help="auto: a mirror if one answers within seconds, else the bundled 55,000 + 10,000 images."),
    ] = "auto",
    report: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Also write an HTML page of statistics and anomalies (TFDV) and sample pictures.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make the folder with MNIST: resumable, verified; does nothing if it is complete."""
    from rich.console import Console

    from pipeline import mnist

    console = Console()
    try:
        if report and source == "auto":
            mnist.fetch_if_absent(dest, console)  # a report can be about a user's own files
        else:
            mnist.fetch(dest, source, console)
        if report:
            from pipeline.data_report import write_report

            write_report(dest, report, console)
    except mnist.DataError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


def _absolute(folder: str) -> str:
    """A local folder from the root of the file system; an address such as gs://bucket/folder stays as it is."""
    return folder if "://" in folder else os.path.abspath(folder)


def _known_model(name: str) -> str:
    if name not in ARCHITECTURES:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(ARCHITECTURES)}.")
    return name


@app.command()
def run(
    model: Annotated[
        str,
        typer.Option(
            envvar="DIGITS_MODEL", callback=_known_model, metavar="|".join(ARCHITECTURES), help="Network to train."
        ),
    ] = "my_model",
    epochs: Annotated[int, typer.Option(min=1, envvar="DIGITS_EPOCHS", help="Passes over the training images.")] = 3,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, envvar="DIGITS_BATCH_SIZE", help="Images per step.", show_default="the model's"),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            min=1e-9,
            envvar="DIGITS_LEARNING_RATE",
            help="Peak of the schedule, for Adam.",
            show_default="the model's",
        ),
    ] = None,
    augment: Annotated[
        bool | None,
        typer.Option(
            envvar="DIGITS_AUGMENT",
            help="Vary slant, size, place and stroke width of training images.",
            show_default="the model's",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, envvar="DIGITS_SEED", help="Of weights, order and variation.")] = 1,
    min_accuracy: Annotated[
        float, typer.Option(min=0, max=1, envvar="DIGITS_MIN_ACCURACY", help="Least test accuracy to be blessed.")
    ] = 0.97,
    min_digit_accuracy: Annotated[
        float,
        typer.Option(min=0, max=1, envvar="DIGITS_MIN_DIGIT_ACCURACY", help="The same for each digit."),
    ] = 0.90,
    max_drop: Annotated[
        float,
        typer.Option(min=0, max=1, envvar="DIGITS_MAX_DROP", help="How far below the baseline it may lie."),
    ] = 0.002,
    baseline: Annotated[
        Literal["latest", "none"],
        typer.Option(envvar="DIGITS_BASELINE", help="Compare with the latest earlier blessed model, or none."),
    ] = "latest",
    root: Annotated[Path, typer.Option(envvar="DIGITS_ROOT", help="Folder for artifacts, metadata and logs.")] = Path(
        "runs"
    ),
    data: Annotated[
        str | None,
        typer.Option(
            envvar="DIGITS_DATA", help="Folder of the four IDX files.", show_default="ROOT/data, made if missing"
        ),
    ] = None,
    push_dir: PushDir = "serving_model",
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every component anew.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the libraries print, too.")] = False,
) -> None:
    """Run the whole pipeline: data, statistics, training, evaluation and, if the model is good enough, a push.

    Exit codes: 0 pushed, 1 failed, 2 wrong usage, 3 not blessed. An interrupted run goes on with the same command.
    """
    from rich.console import Console

    from models.parameters import TrainingParameters, source_fingerprint
    from pipeline import mnist
    from pipeline.config import PipelineConfig, Thresholds
    from pipeline.supervisor import run_locally

    console = Console(highlight=False)
    recipe = ARCHITECTURES[model]
    folder = data or str(root / "data")
    config = PipelineConfig(
        data=_absolute(folder),
        root=str(root.absolute()),
        push_dir=_absolute(push_dir),
        training=TrainingParameters(
            model=model,
            epochs=epochs,
            batch_size=batch_size or recipe.batch_size,
            learning_rate=learning_rate or recipe.learning_rate,
            augment=recipe.augment if augment is None else augment,
            outliers=recipe.outliers,
            seed=seed,
            source=source_fingerprint(),
        ),
        thresholds=Thresholds(min_accuracy, min_digit_accuracy, max_drop),
        baseline=baseline,
        enable_cache=not no_cache,
    )

    def prepare() -> None:
        if "://" not in folder:
            mnist.fetch_if_absent(Path(folder), console)

    try:
        status = run_locally(config, console, prepare=prepare, verbose=verbose)
    except mnist.DataError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(status)


@app.command()
def predict(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Pictures: JPEG, PNG, WebP, GIF, BMP; HEIC with the extra.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answers as JSON; boxes in pixels of the upright picture.")
    ] = False,
    save_annotated: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Draw boxes, answers and what the network saw (one FILE only)."),
    ] = None,
    push_dir: PushDir = "serving_model",
) -> None:
    """Read the digits in pictures with the last pushed model."""
    if save_annotated is not None and len(files) > 1:
        raise typer.BadParameter("takes one FILE; run it once for each.", param_hint="--save-annotated")
    from serving_bot.annotation import annotate
    from serving_bot.decoding import UnreadablePictureError

    reader, _ = _load_reader(push_dir)
    answers: list[dict[str, object]] = []
    failed = False
    for file in files:
        try:
            reading = reader.read(file.read_bytes())
        except (UnreadablePictureError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            typer.echo(f"Error: {file}: {reason}", err=True)
            failed = True
            continue
        if as_json:
            answers.append({"file": str(file), **reading.as_json()})
        else:
            typer.echo(f"{file}: {reading.describe()}")
        if save_annotated is not None:
            try:
                save_annotated.write_bytes(annotate(reading))
            except OSError as error:
                typer.echo(f"Error: {save_annotated}: {error.strerror}", err=True)
                failed = True
    if as_json:
        typer.echo(json.dumps(answers, indent=2))
    if failed:
        raise typer.Exit(1)


@app.command()
def evaluate_photos(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Pictures at DIR/<digit>/<file> or DIR/<kind>/<digit>/<file>.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures and the mistakes as JSON.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write a self-contained page that shows the mistakes.")
    ] = None,
    push_dir: PushDir = "serving_model",
) -> None:
    """Measure how well the last pushed model reads a folder of labelled pictures."""
    from rich.console import Console
    from rich.progress import Progress

    from serving_bot import evaluation

    try:
        pictures = evaluation.collect(folder)
    except evaluation.NoPicturesError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    reader, model = _load_reader(push_dir)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Reading", total=len(pictures))
        outcomes = evaluation.evaluate(
            reader, pictures, keep_pictures=report is not None, progress=lambda: progress.advance(task)
        )
    if report is not None:
        try:
            report.write_text(evaluation.render_report(folder, outcomes, model), encoding="utf-8")
        except OSError as error:
            typer.echo(f"Error: {report}: {error.strerror}", err=True)
            raise typer.Exit(1) from error
    summary = evaluation.summarise(outcomes)
    typer.echo(json.dumps({"model": model, **summary}, indent=2) if as_json else evaluation.describe(summary, model))


@contextmanager
def _native_notes_hidden() -> Iterator[None]:
    """Keeps what native code writes to standard error off the screen: LiteRT greets each start with its delegate."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _load_reader(push_dir: str) -> tuple[Reader, str]:
    """The reader of the newest pushed version, and its name for people; exits with 1 and a sentence where
    there is none."""
    from serving_bot.classifier import BrokenModelError, Classifier
    from serving_bot.pushed_models import NoPushedModelError, newest_version
    from serving_bot.reader import Reader

    try:
        version = newest_version(push_dir)
        with _native_notes_hidden():
            classifier = Classifier.load(version)
    except (NoPushedModelError, BrokenModelError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    name = classifier.card.get("display_name", classifier.card.get("model", "model"))
    return Reader(classifier), f"{name}, version {PurePath(version).name}"


@app.command()
def bot(
    context: typer.Context,
    *,
    push_dir: PushDir = "serving_model",
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token, instead of the variable TELEGRAM_BOT_TOKEN.")
    ] = None,
    token: Annotated[str | None, typer.Option(envvar="TELEGRAM_BOT_TOKEN", hidden=True)] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="Public https address for Telegram to call; without it the bot polls.")
    ] = None,
    webhook_port: Annotated[int, typer.Option(help="Where the webhook listens behind that address.")] = 8080,
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve Prometheus metrics and /healthz on this port.")
    ] = None,
    listen: Annotated[str, typer.Option(help="Address for the webhook and the metrics.")] = "127.0.0.1",
    admin_chat: Annotated[int | None, typer.Option(help="Chat to tell of versions that fail.")] = None,
    allow_chat: Annotated[
        list[int] | None, typer.Option(help="Answer only this chat; may be given several times.")
    ] = None,
    pictures_per_minute: Annotated[int, typer.Option(min=1, help="How many pictures a chat may send.")] = 30,
    threads: Annotated[int, typer.Option(min=1, help="How many pictures are read at a time.")] = 2,
    api_url: Annotated[
        str, typer.Option(help="Bot API server: Telegram's, or one of your own.")
    ] = "https://api.telegram.org",
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Answer pictures of digits in Telegram with the last pushed model.

    The bot's token comes from the variable TELEGRAM_BOT_TOKEN or from --token-file.
    """
    source = context.get_parameter_source("token")
    if source is not None and source.name == "COMMANDLINE":
        _stop(
            "Every user of this machine can read a command line: give the token in TELEGRAM_BOT_TOKEN or --token-file."
        )
    if token_file is not None:
        try:
            token = token_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            _stop(f"Cannot read the token from {token_file}: {reason}.")
    if token is None or not token.strip():
        _stop("No token. Get one from @BotFather and give it in TELEGRAM_BOT_TOKEN or --token-file.")
    if len(token.split()) > 1:
        _stop("The token holds a space or a line break: it should be the one line that @BotFather gave.")
    if log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        _stop(f"--log-level is one of DEBUG, INFO, WARNING and ERROR, not {log_level}.")
    try:
        from serving_bot.application import BotError, BotSettings, run
    except ModuleNotFoundError as error:
        _stop(
            f"The bot needs {error.name}, which is not installed. Install it with: pip install 'digits-pipeline[bot]'"
        )
    try:
        run(
            BotSettings(
                token=token.strip(),
                push_dir=push_dir,
                webhook_url=webhook_url,
                webhook_port=webhook_port,
                metrics_port=metrics_port,
                listen=listen,
                admin_chat=admin_chat,
                allowed_chats=frozenset(allow_chat or ()),
                pictures_per_minute=pictures_per_minute,
                threads=threads,
                api_url=api_url,
                log_level=log_level.upper(),
            )
        )
    except BotError as error:
        _stop(str(error))


def _stop(sentence: str) -> NoReturn:
    """Ends the command with one sentence for the user."""
    typer.echo(f"Error: {sentence}", err=True)
    raise typer.Exit(1)


def main() -> None:
    """Entry point of the `digits` command."""
    app()


if __name__ == "__main__":
    main()
