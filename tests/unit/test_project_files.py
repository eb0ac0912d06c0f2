"""Files for other programs (package index, forge, editor) name things that exist."""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_one_version_everywhere():
    (version,) = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest, date = re.findall(r"^## \[([\d.]+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert (citation["version"], str(citation["date-released"])) == (newest, date) == (version, date)


def test_workflows_and_hooks_call_targets_and_programs_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set()
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for step in job["steps"]:
                called |= set(re.findall(r"make ([a-z-]+)", step.get("run", "")))
    called |= set(re.findall(r"make ([a-z-]+)", (ROOT / ".devcontainer" / "devcontainer.json").read_text()))
    assert {"check", "test", "install"} <= called <= targets
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert {hook["entry"].split()[0] for hook in hooks} == {".venv/bin/ruff", ".venv/bin/mypy"}


def test_forms_and_the_development_container_are_well_formed():
    assert json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())["name"]
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text())
        if path.name != "config.yml":
            fields = [part for part in form["body"] if part["type"] != "markdown"]
            assert form["name"]
            assert form["description"]
            assert len({part["id"] for part in fields}) == len(fields)
            assert all(part["attributes"]["label"] for part in fields)


def test_the_security_policy_links_to_pages_that_exist():
    links = re.findall(r"\]\(([^)#]+)", (ROOT / "SECURITY.md").read_text())
    assert len(links) > 3
    assert [link for link in links if not (ROOT / link).exists()] == []
