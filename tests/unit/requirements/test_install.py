"""Which Python requirements/install.sh chooses, and its message if there is none.

Stand-ins for uname and getconf set the platform; scripts that print a version stand in for the Pythons.
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from uv import find_uv_bin

INSTALL = Path(__file__).parents[3] / "requirements" / "install.sh"
NONE_FOUND = "No usable Python was found, and uv could not download one (log: build/install.log)"
TRYING = "No Python 3.10 was found; trying to download a standalone CPython 3.10 with uv (some 30 MB) ...\n"
TOOLS = ("cut", "dirname", "mkdir", "rm", "sh", "tail")


class System:
    """A machine with the tools that the script needs, but no Python."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.path = folder / "bin"
        self.venv = folder / "venv"
        self.project = folder / "project"
        (self.project / "requirements").mkdir(parents=True)
        shutil.copy(INSTALL, self.project / "requirements")
        self.path.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found
            (self.path / tool).symlink_to(found)

    def script(self, path: Path, body: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def platform(self, uname: str, glibc: str = "") -> None:
        self.script(self.path / "uname", f"echo {uname}")
        self.script(self.path / "getconf", f"echo glibc {glibc}" if glibc else "exit 1")

    def python(self, path: Path, version: str) -> Path:
        """A Python that prints its version but cannot create an environment."""
        return self.script(path, f'[ "$1" = -c ] || exit 1\necho {version}')

    def install(self, **environment: str) -> tuple[str, str]:
        done = subprocess.run(
            [self.project / "requirements" / INSTALL.name, str(self.venv)],
            env={"PATH": str(self.path), "HOME": str(self.home), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        return done.stdout, done.stderr


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def in_path(system: System, name: str) -> Path:
    return system.path / name


def under_pyenv(system: System, name: str) -> Path:
    return system.home / ".pyenv" / "versions" / f"{name.removeprefix('python')}.7" / "bin" / "python3"


def under_uv(system: System, name: str) -> Path:
    version = f"cpython-{name.removeprefix('python')}.7-linux-x86_64-gnu"
    return system.home / ".local" / "share" / "uv" / "python" / version / "bin" / "python3"


@pytest.mark.parametrize("place", [in_path, under_pyenv, under_uv])
@pytest.mark.parametrize(
    ("platform", "there", "taken"),
    [
        (("Linux x86_64", "2.36"), ["3.10", "3.11", "3.12"], "3.10"),
        (("Linux x86_64", "2.38"), ["3.10", "3.13"], "3.10"),
        (("Linux x86_64", "2.39"), ["3.10", "3.11", "3.12", "3.13"], "3.12"),
        (("Linux x86_64", "2.41"), ["3.11", "3.13"], "3.13"),
        (("Linux x86_64", "3.0"), ["3.10", "3.11"], "3.11"),
        (("Linux x86_64", "2.41"), ["3.10", "3.14"], "3.10"),
        (("Darwin arm64", ""), ["3.10", "3.11"], "3.11"),
    ],
)
def test_chooses_the_python_of_the_platform(
    system: System,
    place: Callable[[System, str], Path],
    platform: tuple[str, str],
    there: list[str],
    taken: str,
):
    system.platform(*platform)
    pythons = {version: system.python(place(system, f"python{version}"), version) for version in there}

    said, _ = system.install()

    assert said == f"Making {system.venv} with Python {taken} ({pythons[taken]}) ...\n"


def test_a_plain_python3_of_the_right_version_is_used(system):
    system.platform("Linux x86_64", "2.41")
    system.python(system.path / "python3", "3.13")

    assert system.install()[0].startswith(f"Making {system.venv} with Python 3.13")


def test_a_broken_shim_is_skipped(system):
    system.platform("Linux x86_64", "2.36")
    system.script(system.path / "python3.10", "echo 'pyenv: python3.10: command not found' >&2; exit 127")
    working = system.python(under_pyenv(system, "python3.10"), "3.10")

    assert system.install()[0] == f"Making {system.venv} with Python 3.10 ({working}) ...\n"


@pytest.mark.parametrize(
    ("uname", "glibc", "there", "sentence"),
    [
        ("Linux x86_64", "2.36", "3.11", f"{NONE_FOUND}: this system needs Python 3.10 "),
        ("Linux x86_64", "2.41", "3.14", f"{NONE_FOUND}: this system needs Python 3.12 "),
        ("Darwin arm64", "", "3.10", f"{NONE_FOUND}: this system needs Python 3.12 "),
        ("Linux aarch64", "2.41", "3.12", "TFX has no release for Linux aarch64 "),
        ("Linux x86_64", "", "3.12", "TFX has no release for Linux x86_64 with this C library"),
        ("Darwin x86_64", "", "3.12", "TFX has no release for Darwin x86_64 "),
        ("MINGW64_NT-10.0 x86_64", "", "3.12", "TFX has no release for Windows: install WSL 2 (`wsl --install`)"),
    ],
)
def test_missing_parts_are_a_one_line_error(system, uname, glibc, there, sentence):
    system.platform(uname, glibc)
    system.python(system.path / f"python{there}", there)

    said, complaint = system.install()

    assert said == ""
    assert complaint.splitlines()[-1].startswith(sentence)
    assert complaint.count("\n") == (2 if sentence.startswith("No usable") else 1)


def test_the_users_choice_must_suit_the_platform(system):
    system.platform("Linux x86_64", "2.36")
    python = system.python(system.path / "python3.12", "3.12")

    assert system.install(PYTHON=str(python))[1] == (
        f"{python} is Python 3.12, but this system needs Python 3.10: unset PYTHON or set it to one.\n"
    )
    assert "does not run" in system.install(PYTHON="/nowhere/python3.10")[1]


def standalone_python(folder: Path) -> Path:
    """uv's list of downloads with one entry: an archive of a CPython that only prints its version."""
    python = folder / "python"
    (python / "lib" / "python3.10").mkdir(parents=True)
    header = "# system configuration generated and used by the sysconfig module"  # uv looks for it
    (python / "lib" / "python3.10" / "_sysconfigdata_.py").write_text(f"{header}\nbuild_time_vars = {{}}\n")
    (python / "bin").mkdir()
    (python / "bin" / "python3.10").write_text('#!/bin/sh\n[ "$1" = -c ] || exit 1\necho 3.10\n')
    (python / "bin" / "python3.10").chmod(0o755)
    (python / "bin" / "python3").symlink_to("python3.10")
    archive = folder / "python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(python, "python")
    listed = folder / "downloads.json"
    entry = {
        "name": "cpython",
        "arch": {"family": "x86_64", "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": 3,
        "minor": 10,
        "patch": 99,
        "prerelease": "",
        "url": archive.as_uri(),
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": "20260101",
    }
    listed.write_text(json.dumps({"cpython-3.10.99-linux-x86_64-gnu": entry}))
    return listed


def test_uv_downloads_a_python_if_none_is_found(system, tmp_path):
    system.platform("Linux x86_64", "2.36")
    (system.path / "uv").symlink_to(find_uv_bin())

    said, complaint = system.install(UV_PYTHON_DOWNLOADS_JSON_URL=str(standalone_python(tmp_path / "mirror")))

    taken = under_uv(system, "python3.10").parents[1].with_name("cpython-3.10.99-linux-x86_64-gnu") / "bin" / "python3"
    assert said == f"Making {system.venv} with Python 3.10 ({taken}) ...\n"
    assert complaint.startswith(TRYING)


def test_uv_is_installed_from_the_index_into_a_separate_environment(system, tmp_path):
    system.platform("Linux x86_64", "2.36")
    uv = system.project / "build" / "uv" / "bin" / "uv"
    pip = system.home / "python"
    system.script(pip, f'echo "$@" >{tmp_path}/asked; {shutil.which("ln")} -s {find_uv_bin()} {uv}')
    system.script(
        system.path / "python3",
        f'[ "$1" = -c ] && echo 3.11 && exit\n[ "$*" = "-m venv build/uv" ] || exit 1\n'
        f"mkdir -p build/uv/bin; {shutil.which('ln')} -s {pip} build/uv/bin/python",
    )

    said, _ = system.install(UV_PYTHON_DOWNLOADS_JSON_URL=str(standalone_python(tmp_path / "mirror")))

    assert said.startswith(f"Making {system.venv} with Python 3.10 ({system.home}")
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:3] == ["-m", "pip", "install"]
    assert {"--require-hashes", "requirements/uv.txt"} <= set(asked)


def test_a_refusing_mirror_is_a_one_line_error(system):
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    asked: list[str] = []
    system.platform("Linux x86_64", "2.36")
    (system.path / "uv").symlink_to(find_uv_bin())
    with HTTPServer(("127.0.0.1", 0), Refusing) as mirror:
        threading.Thread(target=mirror.serve_forever, daemon=True).start()
        said, complaint = system.install(
            UV_PYTHON_INSTALL_MIRROR=f"http://127.0.0.1:{mirror.server_port}", NO_PROXY="127.0.0.1"
        )
        mirror.shutdown()

    assert said == ""
    assert complaint.startswith(f"{TRYING}{NONE_FOUND}: this system needs Python 3.10 with its venv module")
    assert complaint.count("\n") == 2
    assert asked
    assert "cpython-3.10" in asked[0]
