"""`digits vertex compile|submit|status|logs`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import options
from pipeline.cli.extras import demand
from pipeline.cli.vertex_compile import compile_job
from pipeline.cli.vertex_options import Project, Region, pair, place
from pipeline.vertex.job import SETTINGS

if TYPE_CHECKING:
    from pipeline.vertex.service import Target

app = typer.Typer(no_args_is_help=True, help="The same pipeline on Google Cloud's Vertex AI (docs/vertex.md).")
app.command("compile")(compile_job)

Job = Annotated[str | None, typer.Argument(metavar="[JOB]", help="Job id; the newest job by default.")]


@app.command()
def submit(
    job: Annotated[Path, typer.Argument(metavar="[FILE]", help="Job file from `digits vertex compile`.")] = Path(
        "job.json"
    ),
    project: Project = None,
    region: Region = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help=f"Change {', '.join(SETTINGS[:-1])} or {SETTINGS[-1]} for this run; repeatable.",
            show_default=False,
        ),
    ] = None,
    service_account: Annotated[
        str | None, typer.Option(help="Service account of the job.", show_default="the project's default")
    ] = None,
    encryption_key: Annotated[
        str | None,
        typer.Option(
            metavar="projects/P/locations/L/keyRings/R/cryptoKeys/K",
            help="Customer-managed key (CMEK) for everything the job creates.",
            show_default=False,
        ),
    ] = None,
    no_cache: options.NoCache = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the request without sending it; needs neither login nor network.")
    ] = False,
) -> None:
    """Submit a job file to Vertex AI."""
    from pipeline.vertex.job import load_job, parameter_values
    from pipeline.vertex.service import console_page
    from pipeline.vertex.submission import submit as send

    demand("kfp", "google.cloud.aiplatform")
    target = _target(project, region, service_account, encryption_key)
    settings = dict(pair(text, "--set", "NAME=VALUE") for text in change or ())
    parameters = parameter_values(load_job(job), settings)
    request = send(job, target, parameters, enable_caching=False if no_cache else None, dry_run=dry_run)
    if dry_run:
        typer.echo(json.dumps(request, indent=2))
        typer.echo("Nothing was sent.", err=True)
        return
    typer.echo(f"Submitted {request['jobId']}. See `digits vertex status`, or")
    typer.echo(console_page(target, request["jobId"]))


@app.command()
def status(job: Job = None, project: Project = None, region: Region = None, as_json: options.AsJson = False) -> None:
    """Show a job's progress."""
    from rich.console import Console
    from rich.table import Column, Table

    from pipeline.vertex import following

    demand("kfp", "google.cloud.aiplatform")
    found = following.status(_target(project, region), job)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    columns = (Column("component", no_wrap=True), "state", "time", Column("error", overflow="fold"))
    table = Table(*columns, box=None)
    for task in found.tasks:
        took = "" if task.seconds is None else f"{task.seconds:.0f} s"
        table.add_row(task.name, task.state, took, task.error)
    console = Console(highlight=False)
    console.print(f"{found.job_id}: {found.state}", markup=False)
    console.print(table)
    if found.error:
        console.print(found.error, markup=False)
    console.out(found.console, highlight=False)


@app.command()
def logs(
    job: Job = None,
    project: Project = None,
    region: Region = None,
    component: Annotated[str | None, typer.Option(help="Only this component's.", show_default="all")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the logs of a job's containers."""
    from pipeline.vertex import following

    demand("kfp", "google.cloud.aiplatform")
    target = _target(project, region)
    for entry in following.logs(target, following.status(target, job), component):
        typer.echo(
            json.dumps(asdict(entry)) if as_json else f"{entry.time} {entry.task} {entry.severity}: {entry.message}"
        )


def _target(
    project: str | None, region: str | None, service_account: str | None = None, encryption_key: str | None = None
) -> Target:
    from pipeline.vertex.service import Target

    return Target(*place(project, region), service_account, encryption_key)
