"""Any picture gives marks inside it, each of which can be normalised.

`make test-fuzz` runs this.
"""

import sys
from pathlib import Path

import atheris
import cv2
import numpy as np

with atheris.instrument_imports(include=["models", "serving_bot"]):
    from models.normalising import variants
    from serving_bot.reading.cutting import lift
    from serving_bot.reading.decoding import MIN_SIDE
    from serving_bot.reading.page import TooManyMarksError, find
    from serving_bot.reading.strokes import TooManyPiecesError

cv2.setNumThreads(1)

LONGEST = 240


def draw(data: bytes) -> np.ndarray:
    """A picture described by the bytes: size, light, strokes, blots, digits and raw pixels."""
    given = atheris.FuzzedDataProvider(data)

    def colour() -> tuple[int, int, int]:
        grey = given.ConsumeIntInRange(0, 255)
        return (grey,) * 3 if given.ConsumeBool() else (grey, *given.ConsumeIntListInRange(2, 0, 255))

    def point() -> tuple[int, int]:
        return given.ConsumeIntInRange(-20, LONGEST), given.ConsumeIntInRange(-20, LONGEST)

    height, width = (given.ConsumeIntInRange(MIN_SIDE, LONGEST) for _ in range(2))
    pixels = np.full((height, width, 3), colour(), np.uint8)
    shadow, grain = given.ConsumeIntInRange(0, width), given.ConsumeIntInRange(0, 24)
    pixels[:, :shadow] //= given.ConsumeIntInRange(1, 4)
    if grain:
        noise = np.random.default_rng(0).normal(0, grain, pixels.shape)
        pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    while given.remaining_bytes() > 0:
        kind = given.ConsumeIntInRange(0, 4)
        thickness = given.ConsumeIntInRange(1, 20)
        if kind == 0:
            cv2.line(pixels, point(), point(), colour(), thickness)
        elif kind == 1:
            cv2.circle(pixels, point(), thickness * 3, colour(), given.ConsumeIntInRange(-1, 4) or 1)
        elif kind == 2:
            text = str(given.ConsumeIntInRange(0, 9999))
            cv2.putText(pixels, text, point(), cv2.FONT_HERSHEY_SIMPLEX, thickness / 6, colour(), thickness)
        elif kind == 3:
            step = thickness + 2
            rows, columns = slice(None, None, step), slice(None, None, step if given.ConsumeBool() else None)
            pixels[rows, columns] = colour()
        else:
            raw = np.frombuffer(given.ConsumeBytes(min(width * 3, 96)), np.uint8)
            row = given.ConsumeIntInRange(0, height - 1)
            pixels[row].reshape(-1)[: len(raw)] = raw
    return pixels


def try_one(data: bytes) -> None:
    pixels = draw(data)
    try:
        page = find(pixels)
    except (TooManyMarksError, TooManyPiecesError):
        return
    height, width = pixels.shape[:2]
    for lattice in page.lattices:
        for group in lattice.groups:
            box = page.place(lattice, group.box)
            assert 0 <= box.left < box.right <= width
            assert 0 <= box.top < box.bottom <= height
            ink = lift(lattice.line.contrast, lattice.pieces, group, 1.0)
            assert ink.dtype == np.float32
            assert np.isfinite(ink).all()
            assert 0 <= ink.min() <= ink.max() <= 1
            assert variants(ink).max() > 0


def write_seeds(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(8):
        (folder / f"random-{number}").write_bytes(np.random.default_rng(number).bytes(40 * 2**number))


if __name__ == "__main__":
    if sys.argv[1:2] == ["seeds"]:
        write_seeds(Path(sys.argv[2]))
    else:
        atheris.Setup(sys.argv, try_one)
        atheris.Fuzz()
