"""Any bytes give a picture within the documented limits, or the documented error.

`make test-fuzz` runs this; `python tests/fuzz/decoding.py FILE` runs one file.
"""

import io
import sys
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["PIL", "serving_bot"]):
    from PIL import Image

    from serving_bot.reading import decoding

    Image.init()  # imports the formats' readers

# Large pictures are slow; tests/unit has them.
decoding.MAX_PIXELS = decoding.MAX_PIXELS_REDUCED = 250_000
KINDS = {"RGB": ("JPEG", "PNG", "WEBP", "BMP"), "RGBA": ("PNG", "WEBP"), "P": ("GIF", "PNG", "BMP"), "I;16": ("PNG",)}


def try_one(data: bytes) -> None:
    try:
        picture = decoding.decode(data)
    except decoding.UnreadablePictureError:
        return
    height, width, channels = picture.pixels.shape
    assert picture.pixels.dtype == np.uint8
    assert channels == 3
    assert 1 <= min(height, width) <= max(height, width) <= decoding.WORKING_SIDE
    assert picture.scale > 0


def write_seeds(folder: Path) -> None:
    """One small picture of each format and mode, with and without EXIF."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 16, 3)).astype(np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6
    for mode, kinds in KINDS.items():
        for kind in kinds:
            for name, options in {"plain": {}, "exif": {"exif": exif}, "progressive": {"progressive": True}}.items():
                buffer = io.BytesIO()
                (picture.convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)).save(
                    buffer, kind, **options
                )
                (folder / f"{kind}-{mode.replace(';', '')}-{name}".lower()).write_bytes(buffer.getvalue())


if __name__ == "__main__":
    if sys.argv[1:2] == ["seeds"]:
        write_seeds(Path(sys.argv[2]))
    else:
        atheris.Setup(sys.argv, try_one)
        atheris.Fuzz()
