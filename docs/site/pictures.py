"""Draws the pictures of the documentation from real runs: `make pictures`.

python docs/site/pictures.py REPORT.html DATA

Writes docs/pictures/: MNIST's digits and their padding, both networks and their curves from a report, and a recording
of `digits run`.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import typer
from rich.console import Console

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chromium import running_chromium  # noqa: E402 (beside the tests)

from components.mnist_example_gen.executor import find_parts, read_batches  # noqa: E402
from pipeline.config import PipelineConfig  # noqa: E402

TARGET = ROOT / "docs" / "pictures"


def draw_digits(data: Path) -> None:
    """Fourteen training images of each digit; one image before and after padding."""
    images, labels = next(read_batches(find_parts(str(data), PipelineConfig.eval_size)["train"]))
    rows = [np.hstack(images[labels == digit][:14]) for digit in range(10)]
    cv2.imwrite(str(TARGET / "mnist.png"), cv2.resize(np.vstack(rows), None, fx=1.25, fy=1.25))
    one = images[labels == 4][0]
    padded = np.pad(one, 2)
    framed = [np.pad(one, 4, constant_values=255), np.pad(padded, 2, constant_values=255)]
    both = np.hstack([framed[0], np.full((36, 4), 255, np.uint8), framed[1]])
    cv2.imwrite(str(TARGET / "padding.png"), cv2.resize(both, None, fx=6, fy=6, interpolation=cv2.INTER_NEAREST))


def draw_report(report: Path) -> None:
    """The networks and the training curves, as in the report."""
    with running_chromium() as browser:
        page = browser.new_page(viewport={"width": 700, "height": 800})
        page.goto(report.absolute().as_uri())
        page.evaluate("""() => {
            const key = document.querySelector("#training + ul.key");
            const grid = document.querySelector("#training ~ div.grid");
            const both = document.createElement("div");
            both.id = "curves";
            key.before(both);
            both.append(key, grid);
        }""")
        page.locator("#curves").screenshot(path=TARGET / "curves.png")
        page.locator("#networks + div.grid").screenshot(path=TARGET / "networks.png")


def record_run(data: Path) -> None:
    """The output of `digits run`, with a terminal's colours, as an SVG."""
    console = Console(record=True, width=84, file=io.StringIO())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "84"}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(data, Path(folder, "runs", "data"))
        command = [sys.executable, "-m", "pipeline.cli", "run"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        console.print("[bold green]$[/] digits run")
        for line in done.stdout.replace(f"{folder}/", "").splitlines():
            console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=False)
    drawing = console.export_svg(title="digits run", unique_id="run")
    drawing = re.sub(r"@font-face \{.*?\}\s*", "", drawing, flags=re.DOTALL)  # they would be fetched from another host
    TARGET.joinpath("run.svg").write_text(drawing, encoding="utf-8")


def main(report: Path, data: Path) -> None:
    """Draws all pictures."""
    TARGET.mkdir(exist_ok=True)
    draw_digits(data)
    draw_report(report)
    record_run(data)


if __name__ == "__main__":
    typer.run(main)
