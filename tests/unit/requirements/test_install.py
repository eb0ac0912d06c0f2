"""Which Python requirements/install.sh takes, and what it says where there is none.

The platform is played by stand-ins for uname and getconf, the Pythons by scripts that know their version.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[3] / "requirements" / "install.sh"
TOOLS = ("cut", "dirname", "mkdir", "rm", "sh", "tail")


class System:
    """A machine with the tools the script needs, and no Python yet."""

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
        """A Python that can say its version and then fails to make an environment."""
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
def test_takes_the_python_of_the_platform(
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


def test_a_plain_python3_will_do_if_it_is_the_right_one(system):
    system.platform("Linux x86_64", "2.41")
    system.python(system.path / "python3", "3.13")

    assert system.install()[0].startswith(f"Making {system.venv} with Python 3.13")


def test_a_shim_that_does_not_work_is_passed_over(system):
    system.platform("Linux x86_64", "2.36")
    system.script(system.path / "python3.10", "echo 'pyenv: python3.10: command not found' >&2; exit 127")
    working = system.python(under_pyenv(system, "python3.10"), "3.10")

    assert system.install()[0] == f"Making {system.venv} with Python 3.10 ({working}) ...\n"


@pytest.mark.parametrize(
    ("uname", "glibc", "there", "sentence"),
    [
        ("Linux x86_64", "2.36", "3.11", "No usable Python was found: this system needs Python 3.10 "),
        ("Linux x86_64", "2.41", "3.14", "No usable Python was found: this system needs Python 3.12 "),
        ("Darwin arm64", "", "3.10", "No usable Python was found: this system needs Python 3.12 "),
        ("Linux aarch64", "2.41", "3.12", "TFX has no release for Linux aarch64 "),
        ("Linux x86_64", "", "3.12", "TFX has no release for Linux x86_64 with this C library"),
        ("Darwin x86_64", "", "3.12", "TFX has no release for Darwin x86_64 "),
    ],
)
def test_says_in_one_sentence_what_is_missing(system, uname, glibc, there, sentence):
    system.platform(uname, glibc)
    system.python(system.path / f"python{there}", there)

    said, complaint = system.install()

    assert said == ""
    assert complaint.startswith(sentence)
    assert complaint.count("\n") == 1


def test_the_users_choice_must_fit_the_platform(system):
    system.platform("Linux x86_64", "2.36")
    python = system.python(system.path / "python3.12", "3.12")

    assert system.install(PYTHON=str(python))[1] == (
        f"{python} is Python 3.12, but this system needs Python 3.10: unset PYTHON or set it to one.\n"
    )
    assert "does not run" in system.install(PYTHON="/nowhere/python3.10")[1]
