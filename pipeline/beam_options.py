"""The options that Beam gets for each of its engines, and what went wrong with them in words."""

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
    """The options do not fit together."""


# Types are checked where the graph is built, again and again, for a graph that never changes.
_UNCHECKED = "--no_pipeline_type_check"


def local_beam_args(workers: int = 1) -> tuple[str, ...]:
    """Beam pipeline options of the direct runner: in this process, or with several workers in as many."""
    # Without a mode of its own Beam 2.65 and newer may reach for a runner that it would have to download.
    mode = "multi_processing" if workers > 1 else "in_memory"
    return (
        f"--direct_running_mode={mode}",
        f"--direct_num_workers={workers}",
        # For workers elsewhere TFX packs itself up, for each component anew, unless they are said to have an image.
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
    """Beam pipeline options (apache_beam/options/pipeline_options.py), one an item.

    Args:
        runner: Beam's engine. `direct` runs in this process, or with several workers in as many processes.
        root: folder of artifacts; Dataflow keeps its temporary files in it.
        workers: processes of `direct`, most machines of Dataflow, parallelism of Flink, SDK workers of `portable`;
            None for the engine's default.
        image: container image with this package, in which the engine's workers run.
        extra: options that are passed on, `--name=value` or `--flag`; they win over what is produced here.

    Raises:
        BeamOptionsError: Beam knows no such option, or one is missing that the engine cannot do without.
    """
    given = dict(map(_split, extra))
    check_known(extra)
    produced: list[str] = []
    if runner == "direct":
        if image:
            raise BeamOptionsError(
                "--beam-image is for workers elsewhere: the direct runner works in this environment."
            )
        produced += local_beam_args(workers or 1)
    else:
        if "://" not in root and runner != "portable":  # its workers may be on this machine
            raise BeamOptionsError(
                f"{runner}'s workers cannot reach {root} on this machine. Give --root, --data and --push-dir as "
                "addresses that they can reach, such as gs://bucket/digits."
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
        raise BeamOptionsError(f"Dataflow needs to know where to run: add {asked}.")
    options = [f"--temp_location={root.rstrip('/')}/beam/temp", f"--staging_location={root.rstrip('/')}/beam/staging"]
    options += [f"--max_num_workers={workers}"] if workers else []
    if image:
        return [*options, f"--sdk_container_image={image}", "--sdk_location=container"]
    setup = _PROJECT_FOLDER / "setup.py"
    if "setup_file" not in given and not setup.exists():
        raise BeamOptionsError(
            "Dataflow's workers need this package: give --beam-image an image that holds it, or run from a checkout, "
            "whose setup.py installs it there."
        )
    return [*options, f"--setup_file={setup}"]


def _job_server(workers: int | None, image: str | None, given: Mapping[str, str]) -> list[str]:
    """Any engine behind Beam's job API, with a worker pool that is started already, or with containers."""
    addresses = {name: given[name] for name in _ADDRESSES if name in given}
    if "job_endpoint" not in addresses:
        raise BeamOptionsError("A portable engine needs its job server: add --beam-arg=--job_endpoint=HOST:PORT.")
    if image is None and "environment_config" not in addresses:
        raise BeamOptionsError(
            "A portable engine's workers need this package: give the address of a worker pool that has it with "
            "--beam-arg=--environment_config=HOST:PORT, or an image that holds it with --beam-image."
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
    """Flink and Spark run Python in containers beside their own workers."""
    master = _MASTERS[runner]
    if master not in given:
        raise BeamOptionsError(f"{runner} needs the address of its master: add --beam-arg=--{master}=HOST:PORT.")
    if not image and "environment_type" not in given:
        raise BeamOptionsError(
            f"{runner}'s workers need this package: give --beam-image an image that holds it, or say with "
            "--beam-arg=--environment_type=... where Python runs."
        )
    if workers and runner == "spark":
        raise BeamOptionsError("Spark's own configuration decides over its workers: leave --beam-workers out.")
    options = [f"--parallelism={workers}"] if workers else []
    return [*options, *(_docker(image) if image else [])]


def find_unreachable(arguments: Sequence[str]) -> str | None:
    """A sentence on the job server or worker pool that does not answer, None if all do; Beam would wait a minute."""
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
    """What a component failed with; where Beam waited for workers in vain, what to look at."""
    if "DEADLINE_EXCEEDED" not in reason or "--environment_type=EXTERNAL" not in arguments:
        return reason
    return (
        "the worker pool answered, but no worker started within a minute. Beam's pool starts the first `python` on its "
        "PATH, which has to be that of the environment with this package: start the pool with .venv/bin first on PATH "
        "(docs/scaling.md)."
    )


def check_known(extra: Sequence[str]) -> None:
    """Raises BeamOptionsError for what Beam would silently leave aside, or cannot read."""
    if not extra:
        return
    wrong = [option for option in extra if not option.startswith("--")]
    if wrong:
        raise BeamOptionsError(f"--beam-arg takes one option of Beam's, --name=value or --flag, not {wrong[0]!r}.")
    from compat.beam import unknown_options  # noqa: PLC0415 (takes seconds)

    try:
        unknown = unknown_options(extra)
    except ValueError as error:
        raise BeamOptionsError(f"--beam-arg: Beam says: {error}.") from None
    if unknown:
        raise BeamOptionsError(f"Beam has no option --{_split(unknown[0])[0]}; --beam-arg passes on Beam's own.")


def _split(option: str) -> tuple[str, str]:
    name, _, value = option.removeprefix("--").partition("=")
    return name, value
