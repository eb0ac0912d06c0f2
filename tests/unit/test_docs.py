"""Names in the documentation exist: commands with their options, targets of make, files, and pages of the site."""

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "README.ru.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
SPANS = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def commands(page: Path) -> list[str]:
    """Command lines of `digits` in a page's code, with continuation lines joined."""
    found = []
    for match in SPANS.finditer(page.read_text(encoding="utf-8")):
        for line in (match[1] or match[2]).replace("\\\n", " ").splitlines():
            command = re.match(r"\s*(?:\$ |[A-Z_]+=\S+ |time |\.venv/bin/)*digits\s+(?=[a-z-])(.*)", line)
            if command and "=" not in command[1].split()[0]:
                found.append(re.split(r"\s+[#>|&]|\s{3,}|; ", command[1])[0])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_exist(page):
    for line in commands(page):
        command: Any = typer.main.get_command(app)  # (of click, or of the copy that typer includes)
        words = shlex.split(re.sub(r"[\[\]|…]", " ", line.replace("'", "")), comments=True)
        while words and hasattr(command, "commands") and not words[0].startswith("-"):
            name = words.pop(0).rstrip(",.")
            assert name in command.commands, f"`digits {line}`: there is no {name}"
            command = command.commands[name]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        named = {word.split("=")[0].rstrip(",.") for word in words if re.match(r"--[a-z]", word)}
        assert named <= known | {"--help"}, f"`digits {line}`: there is no {', '.join(sorted(named - known))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_of_make_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join(match[1] or match[2] for match in SPANS.finditer(page.read_text(encoding="utf-8")))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", code)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_pages_have_commands():
    assert sum(len(commands(page)) for page in PAGES) > 120


def test_figures_have_a_page_a_command_a_date_and_a_machine():
    page = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    machines = set(re.findall(r"^\| ([A-Z]) \|", page, re.MULTILINE))
    rows = [re.split(r" \| ", row.strip("| \n")) for row in page.splitlines() if row.startswith("| [")]
    assert len(rows) > 30
    for link, figure, _, command, measured, machine in rows:
        place = re.sub(r".*\((.*)\)", r"\1", link)
        text = " ".join((ROOT / "docs" / place).read_text(encoding="utf-8").split())
        assert figure in text, f"docs/figures.md has {figure}, {place} does not: update the row"
        assert "`" in command, link
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", measured), link
        assert machine in machines, link


def test_pages_have_the_figures_of_the_results():
    for page, text in runpy.run_path(str(ROOT / "docs" / "site" / "results.py"))["updated_pages"]().items():
        assert page.read_text(encoding="utf-8") == text, (
            f"{page.name} is older than results.md: run docs/site/results.py"
        )


def test_the_site_has_every_page():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f": {page}" not in navigation] == []
