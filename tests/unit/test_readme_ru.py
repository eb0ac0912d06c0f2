"""The Russian README says what the English one does: the same sections, commands, figures and links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAIR = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ru.md")]


def sections(text: str) -> list[str]:
    """The text under each heading, from the first on."""
    return re.split(r"^#+ .*$", text, flags=re.MULTILINE)[1:]


def figures(text: str) -> list[str]:
    """Numbers outside of code and addresses, without the separators of thousands that the languages have."""
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
        lambda text: [re.findall(r"\]\((?!README)([^)]*)\)", part) for part in sections(text)],
    ],
    ids=["sections", "blocks", "code", "figures", "rows", "links"],
)
def test_both_have_the_same(facts):
    english, russian = map(facts, PAIR)
    assert russian == english
