"""Russian pages match the English ones: README and learning completely, docs/ru/ in commands, options and figures."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WHOLE = [("README.md", "README.ru.md"), ("docs/learning.md", "docs/ru/learning.md")]
"""Pages that are translated completely."""


def sections(text: str) -> list[str]:
    """The text under each heading, from the first on."""
    return re.split(r"^#+ .*$", text, flags=re.MULTILINE)[1:]


def figures(text: str) -> list[str]:
    """Numbers outside code and addresses, without thousands separators."""
    plain = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", " ", text, flags=re.DOTALL)
    return sorted(re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d)[, ](?=\d{3})", "", plain)))


@pytest.mark.parametrize(
    "facts",
    [
        lambda text: len(sections(text)),
        lambda text: re.findall(r"```.*?```", text, re.DOTALL),
        lambda text: [sorted(set(re.findall(r"`([^`\n]+)`", part))) for part in sections(text)],
        lambda text: [figures(part) for part in sections(text)],
        lambda text: [len(re.findall(r"^(?:\* |\| )", part, re.MULTILINE)) for part in sections(text)],
        lambda text: re.findall(r"\]\((?!README)([^)]*)\)", text.replace("docs/ru/", "docs/")),
    ],
    ids=["sections", "blocks", "code", "figures", "rows", "links"],
)
@pytest.mark.parametrize("pair", WHOLE, ids=lambda pair: pair[1])
def test_both_have_the_same_facts(pair, facts):
    english, russian = (facts((ROOT / name).read_text(encoding="utf-8")) for name in pair)
    assert russian == english


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "ru").glob("*.md")), ids=lambda page: page.name)
def test_a_russian_page_has_no_other_commands_options_or_figures(page):
    russian = page.read_text(encoding="utf-8")
    pages = [path for path in (ROOT / "docs").rglob(page.name) if path != page]
    english = "\n".join(path.read_text(encoding="utf-8") for path in pages)

    def lines(text: str) -> set[str]:
        blocks = re.findall(r"```.*?```", text, re.DOTALL)
        return {line.split("  #")[0].strip() for block in blocks for line in block.splitlines()}

    def options(text: str) -> set[str]:
        return set(re.findall(r"--[a-z][a-z-]+", text))

    assert lines(russian) <= lines(english)
    assert options(russian) <= options(english)
    assert set(figures(russian)) <= set(figures(english))
