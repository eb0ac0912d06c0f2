"""Copies the figures of docs/results.md to the other pages that show them: `make results`.

    python docs/site/results.py

The pages are both READMEs, docs/ru/results.md, docs/benchmarks.md, docs/comparing.md and docs/figures.md.
tests/unit/test_docs.py checks that nothing is left to copy.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUSSIAN = {
    "Accuracy": "Точность",
    "95 % interval": "Доверительный интервал 95 %",
    "Predecessor's": "У предшественника",
    "Misclassified": "Неверно",
    "Worst digit": "Хуже всего читается цифра",
    "Parameters": "Параметров",
}


def read_results(text: str) -> tuple[list[str], dict[str, list[str]]]:
    """The models of docs/results.md, and its rows by name; cells without emphasis and unusual spaces."""
    rows: dict[str, list[str]] = {}
    labels: list[str] = []
    for line in text.splitlines():
        name, *cells = (cell.replace("**", "").strip() for cell in line.strip("|").replace("\xa0", " ").split("|"))
        if line.startswith("| | "):
            labels = cells
        elif line.startswith("| "):
            rows.setdefault(name, cells)
    return labels, rows


def updated_pages() -> dict[Path, str]:
    """The pages with the figures of docs/results.md, by path."""
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    labels, rows = read_results(results)
    accuracy = dict(zip(labels, rows["Accuracy"], strict=True))
    dates = {label: trained[:10] for label, trained in zip(labels, rows["Trained"], strict=True)}
    seconds = sum(float(time.split()[0]) * (60 if time.endswith("min") else 1) for time in rows["Training"])

    pages: dict[Path, str] = {}
    for name, epochs in (("README.md", "epochs"), ("README.ru.md", "эпох")):
        text = _read(name)
        for label, share in accuracy.items():
            row = rf"^(\| {label.replace('epochs', epochs)} \| )[^|]*(\|[^|]*\| )[^|]*"
            text = re.sub(row, rf"\g<1>{share} \g<2>{dates[label]} ", text, flags=re.MULTILINE)
        pages[ROOT / name] = text
    text = _read("docs/benchmarks.md")
    for label, share in accuracy.items():
        model, epochs = label.removesuffix(" epochs").split(", ")
        text = re.sub(rf"^(\| {model} \| {epochs} \| 1 \| )[^|]*", rf"\g<1>{share} ", text, flags=re.MULTILINE)
    pages[ROOT / "docs" / "benchmarks.md"] = text
    text = _read("docs/comparing.md")
    pages[ROOT / "docs" / "comparing.md"] = re.sub(r"\d+( minutes on two)", rf"{seconds / 60:.0f}\1", text)
    text = _read("docs/figures.md")
    row = r"^(\| \[README\][^|]*\| )[^|]*(\|[^|]*\| `make results` \| )[^|]*"
    mine = "MyModel, 10 epochs"
    pages[ROOT / "docs" / "figures.md"] = re.sub(
        row, rf"\g<1>{accuracy[mine]} \g<2>{dates[mine]} ", text, flags=re.MULTILINE
    )
    pages[ROOT / "docs" / "ru" / "results.md"] = _in_russian(results, labels, rows)
    return pages


def _in_russian(results: str, labels: list[str], rows: dict[str, list[str]]) -> str:
    """docs/ru/results.md with its two tables made anew: the models, and the pairs."""
    words = {" epochs": " эпох", " to ": "–", " of ": " из "}

    def translated(text: str) -> str:
        for english, russian in words.items():
            text = text.replace(english, russian)
        return text

    models = [f"| | {' | '.join(map(translated, labels))} |", "|---|" + "---:|" * len(labels)]
    models += [f"| {name} | {' | '.join(map(translated, rows[row]))} |" for row, name in RUSSIAN.items()]
    pairs = ["| | | верны только у первой | только у второй | значимость |", "|---|---|---:|---:|---|"]
    found = r"^\* (.*) (beats|is not .* from) (.*): .* images ([\d,]+) are .*, ([\d,]+) only .*\((p.*)\)"
    for better, verb, worse, one, other, p in re.findall(found, results.replace("\xa0", " "), re.MULTILINE):
        verdict = "" if verb == "beats" else ", незначимо"
        pairs.append(f"| {translated(better)} | {translated(worse)} | {one} | {other} | {p}{verdict} |")
    tables = iter(("\n".join(models) + "\n", "\n".join(pairs) + "\n"))
    return re.sub(r"(?:^\|.*\n)+", lambda _: next(tables), _read("docs/ru/results.md"), flags=re.MULTILINE)


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    for page, text in updated_pages().items():
        page.write_text(text, encoding="utf-8")
