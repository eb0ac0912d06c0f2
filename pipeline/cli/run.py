"""`digits run`."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, NoReturn

import typer

from models.recipe import Execution, Recipe, Training
from pipeline.cli import options
from pipeline.cli.derived import Given, with_settings
from pipeline.cli.extras import demand
from pipeline.cli.options import absolute, beam_engine, given_command
from pipeline.config import PipelineConfig, Thresholds


@with_settings(Training, Recipe, Execution, Thresholds)
def run(
    given: Given,
    model: options.Model = options.DEFAULT_MODEL,
    baseline: options.Baseline = "latest",
    root: options.ArtifactRoot = "runs",
    data: options.Data = None,
    feedback: options.Feedback = None,
    trust: options.Trust = 0,
    max_users_drop: options.MaxUsersDrop = 0.0,
    push_dir: options.PushDir = "serving_model",
    beam_runner: options.BeamRunner = "direct",
    beam_workers: options.BeamWorkers = None,
    beam_image: options.BeamImage = None,
    beam_arg: options.BeamArg = None,
    no_cache: options.NoCache = False,
    verbose: options.Verbose = False,
) -> None:
    """Run the whole pipeline: data, statistics, training, evaluation and, if the model is good enough, a push.

    Exit codes: 0 pushed, 1 failed, 2 wrong usage, 3 not blessed. After an interruption the same command resumes.
    """
    start(
        given,
        Places(root, data, push_dir),
        Users(feedback, trust, max_users_drop),
        model,
        baseline,
        beam_args=beam_engine(beam_runner, root, beam_workers, beam_image, beam_arg),
        enable_cache=not no_cache,
        verbose=verbose,
    )


class Places(NamedTuple):
    """Folders and addresses of a run."""

    root: str
    data: str | None
    push_dir: str


class Users(NamedTuple):
    """The options for the bot's feedback."""

    feedback: str | None
    trust: int
    max_drop: float


def start(
    given: Given, places: Places, users: Users, model: str, baseline: Literal["latest", "none"], **choices: Any
) -> NoReturn:
    """Runs the pipeline and ends the command with its exit code.

    `choices` are other fields of PipelineConfig, and verbose.
    """
    from rich.console import Console

    from pipeline.data import store
    from pipeline.local.runner import run_locally
    from pipeline.users_digits import choose_users_digits

    demand("tfx")
    console = Console(highlight=False)
    root = places.root.rstrip("/") or "/"
    folder = places.data or f"{root}/data"
    verbose = choices.pop("verbose")
    feedback = absolute(users.feedback) if users.feedback else None
    config = PipelineConfig(
        data=absolute(folder),
        root=absolute(root),
        push_dir=absolute(places.push_dir),
        training=Training.choose(model, given.of(Training, Recipe, Execution)),
        thresholds=Thresholds(**given.of(Thresholds)),
        baseline=baseline,
        users=choose_users_digits(feedback, users.trust, users.max_drop) if feedback else None,
        command=given_command(),
        **choices,
    )

    raise typer.Exit(
        run_locally(config, console, prepare=lambda: store.fetch_if_absent(folder, console), verbose=verbose)
    )
