"""Decodes the files that people send to upright, opaque pixels, within limits."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import pi_heif
from PIL import Image, UnidentifiedImageError

pi_heif.register_heif_opener()

# Pillow's limit is lower than `MAX_PIXELS_REDUCED`; `decode` checks its own limits on the header instead.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")

MAX_BYTES = 20 * 2**20
"""Largest file in bytes: the Bot API's limit for downloads."""

MAX_PIXELS = 25_000_000
"""Largest picture that is decoded at full size, in pixels."""

MAX_PIXELS_REDUCED = 110_000_000
"""Largest baseline JPEG, in pixels: it is decoded directly at a half, a quarter or an eighth of its size, which saves
memory."""

MIN_SIDE = 8
"""Smallest picture side in pixels: digits are not legible on less."""

WORKING_SIDE = 640
"""The longer side, in pixels, that a large picture is reduced to."""

_ORIENTATION_TAG = 0x0112
# EXIF orientation -> (whether to mirror horizontally first, then quarter turns counter-clockwise).
_ORIENTATIONS = {
    2: (True, 0),
    3: (False, 2),
    4: (True, 2),
    5: (True, 1),
    6: (False, 3),
    7: (True, 3),
    8: (False, 1),
}
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

_DAMAGED = "The picture is damaged or incomplete; send it again."


class UnreadablePictureError(Exception):
    """The bytes are not a picture this reader can open; the message is one sentence for the sender."""


class TooLargePictureError(UnreadablePictureError):
    """The picture is over a limit on bytes or pixels and was not decoded."""


class UnknownFormatError(UnreadablePictureError):
    """The bytes are not in a supported format."""


class DamagedPictureError(UnreadablePictureError):
    """The file is truncated or damaged."""


@dataclass(frozen=True)
class Picture:
    """An upright, opaque picture at working size.

    Attributes:
        pixels: uint8 [height, width, 3], RGB.
        scale: pixels of the upright original per pixel of `pixels`; 1.0 if nothing was reduced.
    """

    pixels: npt.NDArray[np.uint8]
    scale: float


def decode(data: bytes, side: int = WORKING_SIDE) -> Picture:
    """Decodes JPEG, PNG, WebP, GIF (first frame), BMP and HEIC.

    It applies EXIF rotation, lays transparency on a contrasting background, converts 16 bits, CMYK and palettes to
    8-bit RGB, and reduces large pictures.

    Args:
        data: the file.
        side: the longer side, in pixels, that a large picture is reduced to.

    Raises:
        TooLargePictureError: over `MAX_BYTES` or the pixel limits, which are checked before decoding.
        UnknownFormatError: another format.
        DamagedPictureError: truncated, damaged, or smaller than `MIN_SIDE`.
    """
    if len(data) > MAX_BYTES:
        raise TooLargePictureError(
            f"The file has {len(data) / 2**20:.0f} MB; send one of at most {MAX_BYTES >> 20} MB."
        )
    if not data:
        raise DamagedPictureError("The file is empty.")
    heic = data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS
    try:
        with Image.open(io.BytesIO(data), formats=(*FORMATS, "HEIF") if heic else FORMATS) as image:
            return _decode(image, side)
    except UnreadablePictureError:
        raise
    except UnidentifiedImageError as error:
        if heic:
            raise DamagedPictureError(_DAMAGED) from error
        raise UnknownFormatError(
            "This is not a JPEG, PNG, HEIC, WebP, GIF or BMP picture; send one of these."
        ) from error
    except MemoryError as error:
        raise TooLargePictureError("The picture does not fit into memory; send a smaller one.") from error
    except Exception as error:  # a damaged file makes Pillow's plugins raise almost anything
        raise DamagedPictureError(_DAMAGED) from error


def _decode(image: Image.Image, side: int) -> Picture:
    width, height = image.size
    baseline = image.format in ("JPEG", "MPO") and not image.info.get("progressive")
    limit = MAX_PIXELS_REDUCED if baseline else MAX_PIXELS
    if width * height > limit:
        raise TooLargePictureError(
            f"The picture has {width * height / 1e6:.0f} million pixels; send one of at most {limit // 1_000_000}."
        )
    if min(width, height) < MIN_SIDE:
        raise DamagedPictureError(f"The picture is only {width}×{height} pixels; send a larger one.")
    orientation = _orientation(image)
    image.draft("RGB", (side * width // max(width, height), side * height // max(width, height)))
    pixels = _reduce(_to_rgb(image, side), side)
    mirror, turns = _ORIENTATIONS.get(orientation, (False, 0))
    scale = max(width, height) / max(pixels.shape[:2])
    if mirror:
        pixels = pixels[:, ::-1]
    return Picture(np.ascontiguousarray(np.rot90(pixels, turns)), scale)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged metadata is no reason to refuse the picture: it is read unrotated
        return 1


def _to_rgb(image: Image.Image, side: int) -> npt.NDArray[np.uint8]:
    """The loaded image as uint8 [height, width, 3]."""
    if image.mode.startswith("I") or image.mode == "F":
        wide = np.asarray(image, dtype=np.float32)
        grey = np.clip(wide * (255.0 / 65535.0), 0, 255).astype(np.uint8)
        return np.repeat(grey[..., np.newaxis], 3, axis=2)
    if image.has_transparency_data:
        return _flatten(np.asarray(image.convert("RGBA").convert("RGBa")), side)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))  # convert always copies


def _flatten(weighted: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Lays a picture on one colour.

    This is the opaque part's colour if that is most of the picture (rounded corners), else black under light strokes
    and white under dark ones (a drawing on a transparent background).

    Args:
        weighted: uint8 [height, width, 4], colours multiplied by opacity, and the opacity, so transparent colours do
            not count when pixels are averaged.
    """
    reduced = _reduce(weighted, side)
    colours, share = reduced[..., :3], reduced[..., 3:].astype(np.float32) / 255
    opaque = share[..., 0] > 0.5
    visible = colours[opaque] / share[opaque]
    if not len(visible):
        return np.full_like(colours, 255)
    if len(visible) > opaque.size // 2:
        ground = np.median(visible, axis=0)
    else:
        ground = np.full(3, 0.0 if visible.mean() > 127 else 255.0)
    return np.asarray(np.rint(colours + ground.astype(np.float32) * (1 - share)), np.uint8)


def _reduce(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
