"""Tries the Dockerfile's steps without a container engine, then runs a compiled job with what they made.

python3 tests/image.py [FOLDER] as root, with debootstrap: FOLDER (default build/image) gets a Debian 13 root, made once
and kept, and a copy of it for each stage of the target `digits`. Debian 13 has Python 3.13 only, where the image has
3.12; both take the same lock. The job's containers run as the image's user, on the image's environment, in its root.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1]
TARGET = "digits"
PACKAGES = (
    "ca-certificates,python3,python3-dev,python3-venv"  # the image's base has Python, its headers, and no compiler
)
TEST = "python -m pytest -p no:cacheprovider -m job tests/e2e/test_vertex_job.py"
_CARRIED = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl", "/etc/pip.conf", "/etc/uv", "/etc/apt/apt.conf.d")
_CARRIED += ("/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
_VARIABLES = re.compile(r"(https?|no|all)_proxy|PIP_.*|UV_.*INDEX.*|SSL_CERT_.*|REQUESTS_CA_BUNDLE", re.IGNORECASE)

# Mounts live in a namespace of their own and vanish with it.
_ENTER = """
root=$1; user=$2; folder=$3; shift 3
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for path in CARRIED; do
  [ -e "$path" ] || continue
  mkdir -p "$root${path%/*}"
  if [ -d "$path" ]; then mkdir -p "$root$path"; else : >>"$root$path"; fi
  mount --bind "$path" "$root$path"
done
exec chroot --userspec="$user" "$root" env -i "$@"
""".replace("CARRIED", " ".join(_CARRIED))


class Stage:
    """A stage of the Dockerfile: a root folder, its environment, working folder and user."""

    def __init__(self, root: Path, environment: dict[str, str], folder: str = "/", user: str = "root"):
        self.root, self.environment, self.folder, self.user = root, environment, folder, user

    def run(self, command: str, more: dict[str, str] | None = None) -> None:
        """Runs a shell command in the stage as RUN does."""
        carried = {name: value for name, value in os.environ.items() if _VARIABLES.fullmatch(name)}
        variables = {
            "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
            **carried,
            **self.environment,
            **(more or {}),
        }
        subprocess.run(
            [
                *("unshare", "--mount", "--propagation", "private", "sh", "-euc", _ENTER, "sh"),
                *(str(self.root), self.user, self.folder),
                *(f"{name}={value}" for name, value in variables.items()),
                *("sh", "-euc", f"cd {shlex.quote(self.folder)}; {command}"),
            ],
            check=True,
        )

    def path(self, name: str) -> Path:
        """A path of the stage, seen from outside."""
        return self.root / os.path.join(self.folder, name).lstrip("/")


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The Dockerfile's instructions: name and arguments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, arguments = line.strip().partition(" ")
            yield name.upper(), arguments.strip()


def needed(steps: list[tuple[str, str]], target: str) -> set[str]:
    """The stages that a target is made of."""
    origins: dict[str, set[str]] = {}
    stage = ""
    for name, arguments in steps:
        if name == "FROM":
            origin, _, stage = arguments.partition(" AS ")
            origins[stage] = {origin}
        elif name == "COPY" and arguments.startswith("--from="):
            origins[stage].add(arguments.split()[0].removeprefix("--from="))
    found, left = set(), {target}
    while left:
        stage = left.pop()
        found.add(stage)
        left |= (origins[stage] & set(origins)) - found
    return found


def expand(text: str, variables: dict[str, str]) -> str:
    """Replaces $NAME and ${NAME}."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: variables.get(match[1], ""), text)


def build(folder: Path, revision: str) -> Stage:
    """Follows the Dockerfile up to the target."""
    steps = list(instructions((SOURCE / "Dockerfile").read_text(encoding="utf-8")))
    stages: dict[str, Stage] = {}
    arguments_of_build: dict[str, str] = {}
    wanted = needed(steps, TARGET)
    stage, name_of_stage = None, ""
    for name, arguments in steps:
        if name == "FROM":
            origin, _, name_of_stage = arguments.partition(" AS ")
            arguments_of_build = {}
            if name_of_stage not in wanted:
                continue
            print(f"== {name_of_stage}", flush=True)
            base = stages.get(origin)
            stage = Stage(
                clone(base.root if base else debian(folder), folder / name_of_stage),
                dict(base.environment) if base else {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
                *((base.folder, base.user) if base else ()),
            )
            stages[name_of_stage] = stage
            continue
        if name_of_stage not in wanted or stage is None:
            continue
        print(f"-- {name} {arguments}", flush=True)
        if name == "ARG":
            key, _, default = arguments.partition("=")
            arguments_of_build[key] = revision if key == "REVISION" else default
        elif name == "ENV":
            pairs = shlex.split(arguments)
            stage.environment |= {
                key: expand(value, stage.environment) for key, _, value in (pair.partition("=") for pair in pairs)
            }
        elif name == "WORKDIR":
            stage.folder = arguments
            stage.path(".").mkdir(parents=True, exist_ok=True)
        elif name == "USER":
            stage.user = arguments
        elif name == "RUN":
            stage.run(arguments, arguments_of_build)
        elif name == "COPY":
            copy(stage, arguments, stages)
        else:
            raise SystemExit(f"tests/image.py does not know {name}.")
    return stages[TARGET]


def copy(stage: Stage, arguments: str, stages: dict[str, Stage]) -> None:
    """COPY, of our own files or of a folder of a stage."""
    *sources, destination = arguments.split()
    target = stage.path(destination)
    if sources[0].startswith("--from="):
        origin, source = stages[sources[0].removeprefix("--from=")].root, sources[1]
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--link", f"{origin / source.lstrip('/')}/.", str(target)], check=True)
        return
    for source in sources:
        path = SOURCE / source
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            into = target / path.name if destination.endswith("/") else target
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, into)


def clone(root: Path, into: Path) -> Path:
    """A copy of a root; an older one is removed."""
    if into.exists():
        shutil.rmtree(into)
    subprocess.run(["cp", "-a", "--", str(root), str(into)], check=True)
    return into


def debian(folder: Path) -> Path:
    """A Debian 13 root whose `python` is Debian's: what stands for the base image."""
    root = folder / "base"
    if not root.exists():
        print("Making a Debian 13 root (a minute or two) ...", flush=True)
        part = folder / "base.part"
        shutil.rmtree(part, ignore_errors=True)
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "trixie", str(part)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        part.rename(root)
    python = root / "usr/local/bin/python"
    if not python.is_symlink():
        python.symlink_to("/usr/bin/python3")
    return root


def main() -> None:
    """Builds, then tests."""
    if os.geteuid() != 0:
        raise SystemExit("Making and entering a Debian 13 root needs root: run `sudo make test-image`.")
    for tool in ("debootstrap", "unshare", "git"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing: install it (`apt install debootstrap util-linux git`).")
    folder = (Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE / "build/image").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    revision = subprocess.check_output(["git", "-C", str(SOURCE), "describe", "--always", "--dirty"], text=True).strip()
    stage = build(folder, revision)
    # The tests are no part of the image; they come beside it, without the packages they test.
    checkout = stage.root / "tmp/checkout"
    for name in ("tests", "benchmarks", "pyproject.toml", "Dockerfile"):
        path = SOURCE / name
        if path.is_dir():
            shutil.copytree(path, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(path, checkout / name)
    stage.run("python -c 'from models.export.card import git_revision; print(git_revision())' | grep -Fx " + revision)
    stage.run(
        "test ! -w /opt/digits && python -c 'import pipeline, pathlib; assert pipeline.__file__.startswith(\"/opt\")'"
    )
    stage.folder = "/tmp/checkout"
    stage.run(TEST)


if __name__ == "__main__":
    main()
