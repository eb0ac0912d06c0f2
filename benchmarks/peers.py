"""Other readers on the same pictures: python -m benchmarks.peers --photos DIR [--rapidocr PYTHON] [--tesseract].

Pictures and labels as `digits evaluate-photos` has them; only the digits of an answer are compared. `--rapidocr` is the
Python of an environment in which `pip install rapidocr onnxruntime` was run; `--tesseract` needs Debian's package.

Each reader is asked in all ways that suit such pictures, for a page and for one line or character of text, because the
best differs between kinds of pictures.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

from serving_bot.reading.evaluation import NO_NUMBER, Labelled, collect

_RAPIDOCR = """
import json, sys
from rapidocr import RapidOCR
engine = RapidOCR()
for path in json.load(sys.stdin):
    result = engine(path, use_det=sys.argv[1] == "page", use_cls=sys.argv[1] == "page", use_rec=True)
    print(json.dumps([path, " ".join(result.txts or ())]), flush=True)
"""
_WAYS = ("page", "line")  # with and without finding the text first

_SEGMENTATION = {"block": 6, "line": 7, "character": 10}  # Tesseract's --psm


def main() -> None:
    """Prints one line per reader and kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--rapidocr", metavar="PYTHON", help="Python of an environment with rapidocr")
    parser.add_argument("--tesseract", action="store_true")
    options = parser.parse_args()
    pictures = collect(options.photos)
    for way in _WAYS if options.rapidocr else ():
        print_figures(f"rapidocr, {way}", pictures, read_with_rapidocr(options.rapidocr, way, pictures))
    for way in _SEGMENTATION if options.tesseract else ():
        answers = {str(one.path): read_with_tesseract(one.path, way) for one in pictures}
        print_figures(f"tesseract, {way}", pictures, answers)


def print_figures(name: str, pictures: list[Labelled], answers: dict[str, str]) -> None:
    """Right: the digits of the answer are those of the label; of "none", there are no digits in the answer."""
    right: Counter[str] = Counter()
    for one in pictures:
        digits = re.sub("[^0-9]", "", answers.get(str(one.path), ""))
        right[one.kind] += digits == ("" if one.label == NO_NUMBER else one.label.replace("_", ""))
    for kind, total in sorted(Counter(one.kind for one in pictures).items()):
        print(f"{name:<20} {kind or '(none)':<12} {right[kind] / total:8.2%} right, of {total}")


def read_with_rapidocr(python: str, way: str, pictures: list[Labelled]) -> dict[str, str]:
    """Answers by path; one process reads all pictures, and its messages go to stderr."""
    paths = json.dumps([str(one.path.absolute()) for one in pictures])
    done = subprocess.run([python, "-c", _RAPIDOCR, way], input=paths, stdout=subprocess.PIPE, text=True, check=True)
    found = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    return {str(one.path): found.get(str(one.path.absolute()), "") for one in pictures}


def read_with_tesseract(path: Path, way: str) -> str:
    """Tesseract's answer with only digits allowed."""
    command = [
        "tesseract",
        str(path),
        "-",
        "--psm",
        str(_SEGMENTATION[way]),
        "-c",
        "tessedit_char_whitelist=0123456789",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
