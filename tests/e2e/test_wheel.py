"""The built wheel, installed in a separate environment, works in an empty folder."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import tiny_model

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment with the wheel and the dependencies of the tests' environment."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("docs/", "tests/", "notebooks/", "benchmarks/")):
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())

    def uv(*arguments):
        subprocess.run([UV, *arguments], check=True, capture_output=True, cwd=folder)

    # (the environment has the locked setuptools, so the build needs no index)
    uv("build", "--quiet", "--wheel", "--no-build-isolation", f"--python={sys.executable}", "--out-dir=dist", "source")
    uv("venv", "--quiet", f"--python={sys.executable}", "venv")
    (wheel,) = (folder / "dist").glob("*.whl")
    uv("pip", "install", "--quiet", "--offline", "--no-deps", "--python=venv/bin/python", str(wheel))
    packages = subprocess.run(
        ["venv/bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    ).stdout.strip()
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv" / "bin", Path(packages)


def run(environment, folder, *command):
    return subprocess.run(
        [environment[0] / command[0], *command[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )


def test_all_imports_come_from_the_wheel(environment, tmp_path):
    names = ("components", "models", "pipeline", "serving_bot", "workers")
    code = f"import {', '.join(names)}; print(*[m.__path__[0] for m in ({', '.join(names)})], sep='\\n')"
    done = run(environment, tmp_path, "python", "-c", code)
    assert done.stdout.split() == [str(environment[1] / name) for name in names], done.stderr


def test_help_and_version(environment, tmp_path):
    done = run(environment, tmp_path, "digits", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "evaluate-photos" in done.stdout
    done = run(environment, tmp_path, "digits", "--version")
    (version,) = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert done.stdout == f"digits {version}\n"


def test_the_wheels_code_reads_a_picture(environment, tmp_path):
    tiny_model.push(tmp_path / "serving_model", 1763800000)
    (tmp_path / "photo.jpg").write_bytes(tiny_model.picture("2580"))
    done = run(environment, tmp_path, "digits", "predict", "photo.jpg")
    assert done.stdout.startswith("photo.jpg: 2580"), done.stderr


def test_the_wheel_has_every_tracked_file(environment):
    packages = ("compat", "components", "models", "pipeline", "serving_bot", "workers")
    tracked = subprocess.run(
        ["git", "ls-files", *packages], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    missing = [name for name in tracked.splitlines() if not (environment[1] / name).exists()]
    assert missing == []
