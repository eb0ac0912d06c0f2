"""Assembles the pages of the site: what is in docs/, and what is generated from code, commands and notebooks.

    python docs/site/assemble.py build/docs/pages

`make docs` calls it, and before it `digits run`, whose runs and model the notebooks show.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from models.recipe import Training
from pipeline.config import PipelineConfig
from pipeline.graph import create_pipeline

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "components", "models", "serving_bot", "compat", "workers")
ROOT_PAGES = {
    "README.md": "index.md",
    "README.ru.md": "index.ru.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Pages at the root of the repository, and where they lie on the site."""


def assemble(target: Path) -> None:
    """Makes all pages anew in a folder, which is removed first."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "docs", target, ignore=shutil.ignore_patterns("site", "*.service", "__pycache__", "*.py"))
    shutil.copytree(ROOT / "docs" / "site" / "assets", target / "assets")
    for source, page in ROOT_PAGES.items():
        shutil.copyfile(ROOT / source, target / page)
    for page in target.rglob("*.md"):
        page.write_text(_with_site_links(page.read_text(encoding="utf-8"), page.relative_to(target)), encoding="utf-8")
    _write_commands(target / "commands.md")
    for package in PACKAGES:
        _write_reference(package, target / "reference" / f"{package}.md")
    _draw_graph(target / "pipeline.svg")
    _run_notebooks(target / "notebooks")


def _with_site_links(text: str, page: Path) -> str:
    """The text with links to files as they lie on the site; what is not on it stays as its name alone."""
    up = "../" * (len(page.parts) - 1)

    def link(match: re.Match[str]) -> str:
        text, place, anchor = match["text"], match["place"], match["anchor"] or ""
        name = re.sub(r"^(\.\./)+", "", place)
        if name in ROOT_PAGES:
            return f"[{text}]({up}{ROOT_PAGES[name]}{anchor})"
        if str(page) in ROOT_PAGES.values():
            name = name.removeprefix("docs/")
            return f"[{text}]({name}{anchor})" if (ROOT / "docs" / name).is_file() else text
        return match[0]

    return re.sub(r"\[(?P<text>[^\]]*)\]\((?P<place>(?!https?:|#)[^)#\s]+)(?P<anchor>#[^)]*)?\)", link, text)


def _write_commands(page: Path) -> None:
    """The reference of the commands, from the program itself."""
    command = [sys.executable, "-m", "typer", "pipeline.cli", "utils", "docs", "--name=digits", "--title=Commands"]
    subprocess.run([*command, f"--output={page}"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def _write_reference(package: str, page: Path) -> None:
    """A page that mkdocstrings fills with the docstrings of a package's modules."""
    page.parent.mkdir(exist_ok=True)
    modules = []
    for path in sorted((ROOT / package).rglob("*.py")):
        if path.name not in ("__init__.py", "__main__.py") and not path.name.startswith("_"):
            modules.append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    page.write_text(f"# {package}\n\n" + "\n\n".join(f"::: {name}" for name in modules) + "\n", encoding="utf-8")


def _draw_graph(path: Path) -> None:
    """The pipeline's components and what each waits for, from `create_pipeline`, as an SVG."""
    training = Training.choose("my_model", {})
    graph = create_pipeline(PipelineConfig(data="data", root="runs", push_dir="serving_model", training=training))
    before: dict[str, set[str]] = {}  # all that runs before a component
    for node in graph.components:  # in topological order
        direct = {other.id for other in node.upstream_nodes}
        before[node.id] = direct.union(*(before[name] for name in direct))
    level: dict[str, int] = {}
    for name, earlier in before.items():
        level[name] = 1 + max((level[other] for other in earlier), default=-1)
    columns = [[name for name in level if level[name] == number] for number in range(max(level.values()) + 1)]
    places = {
        name: (float(number), row - (len(names) - 1) / 2)
        for number, names in enumerate(columns)
        for row, name in enumerate(names)
    }
    figure = Figure(figsize=(1.35 * len(columns), 2.6))
    axes = figure.subplots()
    box = {"boxstyle": "round,pad=0.5", "facecolor": "#e0f2f1", "edgecolor": "#00796b"}
    drawn = {
        name: axes.annotate(name, at, ha="center", va="center", fontsize=7, bbox=box) for name, at in places.items()
    }
    for name, earlier in before.items():
        for other in earlier - {far for near in earlier for far in before[near]}:  # what no other arrow says already
            arrow = {"arrowstyle": "-|>", "color": "#546e7a", "patchA": drawn[other].get_bbox_patch()}
            axes.annotate("", places[name], places[other], arrowprops={**arrow, "patchB": drawn[name].get_bbox_patch()})
    axes.plot(*zip(*places.values(), strict=True), alpha=0)
    axes.margins(0.08, 0.3)
    axes.axis("off")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "digits"}):
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


def _run_notebooks(target: Path) -> None:
    """The notebooks with what their cells show, beside `runs/` and `serving_model/` in the folder above the pages."""
    work = target.parents[1] / "notebooks"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(ROOT / "notebooks", work)
    (work.parent / "docs").mkdir(exist_ok=True)
    shutil.copytree(ROOT / "docs" / "sample", work.parent / "docs" / "sample", dirs_exist_ok=True)
    command = [sys.executable, "-m", "nbconvert", "--to", "markdown", "--execute", "--log-level=ERROR"]
    notebooks = sorted(work.glob("*.ipynb"))
    subprocess.run([*command, f"--output-dir={target}", *notebooks], cwd=ROOT, check=True)


if __name__ == "__main__":
    assemble(Path(sys.argv[1]).absolute())
