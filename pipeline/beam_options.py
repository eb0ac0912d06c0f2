"""Beam's options for each engine, and readable messages for what goes wrong with them."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from workers import UserError

BeamRunner = Literal["direct", "dataflow", "flink", "portable", "spark"]

_ENGINES = {
    "dataflow": "DataflowRunner",
    "flink": "FlinkRunner",
    "portable": "PortableRunner",
    "spark": "SparkRunner",
}
_MASTERS = {"flink": "flink_master", "spark": "spark_master_url"}
_ADDRESSES = {"job_endpoint": "job server", "environment_config": "worker pool"}
_PROJECT_FOLDER = Path(__file__).parents[1]


class BeamOptionsError(UserError):
    """The options are incompatible or incomplete."""


# Type checks would run each time the graph is built, although the graph never changes.
_UNCHECKED = "--no_pipeline_type_check"


def local_beam_args(workers: int = 1) -> tuple[str, ...]:
    """Beam pipeline options of the direct runner: one worker runs in this process, several in one process each."""
    # Without an explicit mode, Beam 2.65 and newer may choose a runner that it has to download.
    mode = "multi_processing" if workers > 1 else "in_memory"
    return (
        f"--direct_running_mode={mode}",
        f"--direct_num_workers={workers}",
        # For remote workers TFX packages itself for each component, unless they have a container image.
        "--sdk_container_image=none",
        _UNCHECKED,
    )


def beam_args(
    runner: BeamRunner,
    root: str,
    *,
    workers: int | None = None,
    image: str | None = None,
    extra: Sequence[str] = (),
) -> tuple[str, ...]:
    """Beam pipeline options (apache_beam/options/pipeline_options.py), one per item.

    Args:
        runner: Beam's engine. `direct` runs one worker in this process, several in one process each.
        root: folder of artifacts; Dataflow also keeps its temporary files there.
        workers: processes of `direct`, maximum machines of Dataflow, parallelism of Flink, SDK workers of `portable`;
            None for the engine's default.
        image: container image with this package, for the engine's workers.
        extra: options to pass on, `--name=value` or `--flag`; they override those made here.

    Raises:
        BeamOptionsError: an option is unknown to Beam, or one that the engine needs is missing.
    """
    given = dict(map(_split, extra))
    check_known(extra)
    produced: list[str] = []
    if runner == "direct":
        if image:
            raise BeamOptionsError("--beam-image is for remote workers; the direct runner works in this environment.")
        produced += local_beam_args(workers or 1)
    else:
        if "://" not in root and runner != "portable":  # portable workers may be on this machine
            raise BeamOptionsError(
                f"{runner}'s workers cannot reach {root} on this machine. Give --root, --data and --push-dir "
                "addresses that the workers can reach, such as gs://bucket/digits."
            )
        produced += [f"--runner={_ENGINES[runner]}"]
        produced += _dataflow(root, workers, image, given) if runner == "dataflow" else []
        produced += _containers(runner, workers, image, given) if runner in _MASTERS else []
        produced += _job_server(workers, image, given) if runner == "portable" else []
        produced.append(_UNCHECKED)
    return tuple(option for option in produced if _split(option)[0] not in given) + tuple(extra)


def _dataflow(root: str, workers: int | None, image: str | None, given: Mapping[str, str]) -> list[str]:
    missing = [name for name in ("project", "region") if name not in given]
    if missing:
        asked = " and ".join(f"--beam-arg=--{name}=..." for name in missing)
        raise BeamOptionsError(f"Dataflow needs a place to run: add {asked}.")
    options = [f"--temp_location={root.rstrip('/')}/beam/temp", f"--staging_location={root.rstrip('/')}/beam/staging"]
    options += [f"--max_num_workers={workers}"] if workers else []
    if image:
        return [*options, f"--sdk_container_image={image}", "--sdk_location=container"]
    setup = _PROJECT_FOLDER / "setup.py"
    if "setup_file" not in given and not setup.exists():
        raise BeamOptionsError(
            "Dataflow's workers need this package: give --beam-image an image that contains it, or run from a "
            "checkout, whose setup.py installs it on the workers."
        )
    return [*options, f"--setup_file={setup}"]


def _job_server(workers: int | None, image: str | None, given: Mapping[str, str]) -> list[str]:
    """Any engine behind Beam's job API, with a running worker pool or with containers."""
    addresses = {name: given[name] for name in _ADDRESSES if name in given}
    if "job_endpoint" not in addresses:
        raise BeamOptionsError("A portable engine needs its job server: add --beam-arg=--job_endpoint=HOST:PORT.")
    if image is None and "environment_config" not in addresses:
        raise BeamOptionsError(
            "A portable engine's workers need this package: give the address of a worker pool that has it with "
            "--beam-arg=--environment_config=HOST:PORT, or an image that contains it with --beam-image."
        )
    for name, address in addresses.items():
        host, _, port = address.rpartition(":")
        if image is None and not (host and port.isascii() and port.isdigit()):
            raise BeamOptionsError(f"--beam-arg: --{name} takes HOST:PORT, not {address!r}.")
    kind = ["--environment_type=EXTERNAL"] if image is None else _docker(image)
    return [*kind, *([f"--sdk_worker_parallelism={workers}"] if workers else [])]


def _docker(image: str) -> list[str]:
    return ["--environment_type=DOCKER", f"--environment_config={image}"]


def _containers(runner: str, workers: int | None, image: str | None, given: Mapping[str, str]) -> list[str]:
    """Flink and Spark run Python in containers beside their workers."""
    master = _MASTERS[runner]
    if master not in given:
        raise BeamOptionsError(f"{runner} needs the address of its master: add --beam-arg=--{master}=HOST:PORT.")
    if not image and "environment_type" not in given:
        raise BeamOptionsError(
            f"{runner}'s workers need this package: give --beam-image an image that contains it, or say where "
            "Python runs with --beam-arg=--environment_type=..."
        )
    if workers and runner == "spark":
        raise BeamOptionsError("Spark's configuration sets the number of its workers: leave --beam-workers out.")
    options = [f"--parallelism={workers}"] if workers else []
    return [*options, *(_docker(image) if image else [])]


def find_unreachable(arguments: Sequence[str]) -> str | None:
    """A sentence about a job server or worker pool that does not answer, or None; Beam would wait for a minute."""
    options = dict(map(_split, arguments))
    if options.get("runner") != "PortableRunner":
        return None
    external = options.get("environment_type") == "EXTERNAL"
    for name, what in _ADDRESSES.items():
        if name == "job_endpoint" or external:
            host, _, port = options[name].rpartition(":")
            try:
                socket.create_connection((host, int(port)), timeout=5).close()
            except OSError as error:
                reason = error.strerror or "no answer within 5 s"
                return f"Beam's {what} at {options[name]} cannot be reached ({reason}). Start it, or correct --{name}."
    return None


def explain_failure(reason: str, arguments: Sequence[str]) -> str:
    """Why a component failed; if Beam waited for workers in vain, with what to check."""
    if "DEADLINE_EXCEEDED" not in reason or "--environment_type=EXTERNAL" not in arguments:
        return reason
    return (
        "the worker pool answered, but no worker started within a minute. Beam's pool starts the first `python` on its "
        "PATH, which must be from the environment with this package: start the pool with .venv/bin first on PATH "
        "(docs/scaling.md)."
    )


def check_known(extra: Sequence[str]) -> None:
    """Raises BeamOptionsError for options that Beam would silently ignore, or cannot parse."""
    if not extra:
        return
    wrong = [option for option in extra if not option.startswith("--")]
    if wrong:
        raise BeamOptionsError(f"--beam-arg takes one Beam option, --name=value or --flag, not {wrong[0]!r}.")
    from compat.beam import unknown_options  # noqa: PLC0415 (takes seconds)

    try:
        unknown = unknown_options(extra)
    except ValueError as error:
        raise BeamOptionsError(f"--beam-arg: Beam reports: {error}.") from None
    if unknown:
        raise BeamOptionsError(f"Beam has no option --{_split(unknown[0])[0]}; --beam-arg takes only Beam's options.")


def _split(option: str) -> tuple[str, str]:
    name, _, value = option.removeprefix("--").partition("=")
    return name, value
