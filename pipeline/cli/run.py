"""`digits run`."""

from __future__ import annotations

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
    from rich.console import Console

    from pipeline.data import store
    from pipeline.local.runner import run_locally

    demand("tfx")
    console = Console(highlight=False)
    root = root.rstrip("/") or "/"
    folder = data or f"{root}/data"
    config = PipelineConfig(
        data=absolute(folder),
        root=absolute(root),
        push_dir=absolute(push_dir),
        training=Training.choose(model, given.of(Training, Recipe, Execution)),
        thresholds=Thresholds(**given.of(Thresholds)),
        baseline=baseline,
        enable_cache=not no_cache,
        beam_args=beam_engine(beam_runner, root, beam_workers, beam_image, beam_arg),
        command=given_command(),
    )

    raise typer.Exit(
        run_locally(config, console, prepare=lambda: store.fetch_if_absent(folder, console), verbose=verbose)
    )
