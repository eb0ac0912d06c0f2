"""Draws docs/served-page.png: the page of `digits serve` with the sample photo, in headless Chromium.

python benchmarks/served_page.py serving_model
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import typer
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chromium import running_chromium  # noqa: E402 (beside the tests)
from running_server import running_server  # noqa: E402


def main(push_dir: Path, out: Path = ROOT / "docs" / "served-page.png") -> None:
    """Chooses the sample photo on the page, presses "Why?", and takes a screenshot."""
    with running_server(push_dir.resolve()) as address, running_chromium() as browser:
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.goto(address)
        page.locator("#file").set_input_files(ROOT / "docs" / "sample" / "digit.jpg")
        page.locator("#tiles li").first.wait_for()
        page.locator("#why").click()
        page.locator("#tiles canvas").first.wait_for()
        page.locator("#boxes rect").first.wait_for(state="attached")
        shot = page.screenshot(full_page=True)
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    typer.run(main)
