"""The exported page in headless Chromium compared with Python, on MNIST's first 1,000 test digits.

python benchmarks/exported_page.py serving_model t10k-images-idx3-ubyte.gz
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from pathlib import Path

import numpy as np
import typer

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chromium import running_chromium  # noqa: E402 (beside the tests)

from serving_bot.reading.classifier import Classifier  # noqa: E402
from serving_bot.versions.registry import asked_for  # noqa: E402
from serving_bot.web.static import export_page  # noqa: E402


def main(push_dir: str, images: Path, count: int = 1000) -> None:
    """Prints how many digits differ in class, by how much probabilities differ at most, and the time per digit."""
    digits = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28)[:count]
    expected = Classifier.load(asked_for(push_dir)[0].version.path).predict(digits)
    with tempfile.TemporaryDirectory() as folder, running_chromium() as browser:
        export_page(push_dir, Path(folder))
        page = browser.new_page()
        page.goto((Path(folder) / "index.html").as_uri())
        script = "images => { const start = performance.now(), rows = images.map(image => [...predict(image)]); "
        found = page.evaluate(
            script + "return [rows, performance.now() - start]; }", digits.reshape(len(digits), -1).tolist()
        )
    rows = np.array(found[0])
    print(f"{len(digits)} digits: class differs in {(rows.argmax(1) != expected.argmax(1)).sum()}, ", end="")
    print(f"probability by {np.abs(rows - expected).max():.1e} at most; {found[1] / len(digits):.1f} ms each")


if __name__ == "__main__":
    typer.run(main)
