import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from serving_bot.reading import decoding
from serving_bot.reading.decoding import DamagedPictureError, TooLargePictureError, UnknownFormatError, decode


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def save_heic(image: Image.Image, **options: object) -> bytes:
    """As an iPhone writes it; the decoder's own library has no encoder."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    return buffer.getvalue()


def corner(side: int = 64) -> Image.Image:
    """White with a black top left quarter."""
    pixels = np.full((side, side * 2, 3), 255, np.uint8)
    pixels[: side // 2, :side] = 0
    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_formats(kind: str) -> None:
    picture = decode(save(corner(), kind))
    assert picture.pixels.shape == (64, 128, 3)
    assert picture.scale == 1
    assert picture.pixels[8, 8].max() < 20
    assert picture.pixels[56, 120].min() > 235


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK"])
def test_modes(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    pixels = decode(save(corner().convert(mode), kind)).pixels
    assert pixels.dtype == np.uint8
    assert pixels[8, 8].max() < 20
    assert pixels[56, 120].min() > 235


def test_16_bit_keeps_its_range() -> None:
    wide = np.full((32, 32), 65535, np.uint16)
    wide[:16] = 32768
    pixels = decode(save(Image.fromarray(wide), "PNG")).pixels
    assert pixels[0, 0, 0] == 127
    assert pixels[31, 0, 0] == 255


def test_gif_gives_the_first_frame() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    data = save(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data).pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_that_of_pillow(orientation: int) -> None:
    image = corner()
    exif = image.getexif()
    exif[0x0112] = orientation
    data = save(image, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(decode(data).pixels, expected)


def test_damaged_exif_is_ignored() -> None:
    assert decode(save(corner(), "JPEG", exif=b"Exif\0\0garbage")).pixels.shape == (64, 128, 3)


@pytest.mark.parametrize(("stroke", "ground"), [((0, 0, 0), 255), ((255, 255, 255), 0)])
def test_strokes_on_a_transparent_background_get_contrast(stroke: tuple[int, int, int], ground: int) -> None:
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[10:30, 18:22] = (*stroke, 255)
    decoded = decode(save(Image.fromarray(pixels), "PNG")).pixels
    assert decoded[0, 0].tolist() == [ground] * 3
    assert decoded[20, 20].tolist() == list(stroke)


@pytest.mark.parametrize(("stroke", "nothing"), [(255, 0), (0, 0), (0, 255), (255, 255)])
@pytest.mark.parametrize("side", [640, 1280])
def test_half_a_pixel_of_ink_is_half_as_strong(stroke: int, nothing: int, side: int) -> None:
    """Soft edges get the level of a picture reduced on its background, whatever the colour of transparent pixels."""
    pixels = np.full((side, side, 4), (*[nothing] * 3, 0), np.uint8)
    pixels[100:540, 101:103] = (*[stroke] * 3, 255)
    if side == 640:
        pixels[100:540, [100, 103]] = (*[stroke] * 3, 128)
    decoded = decode(save(Image.fromarray(pixels), "PNG")).pixels[150]
    column = 50 if side == 1280 else 100
    assert decoded[column].tolist() == [pytest.approx(127.5, abs=1)] * 3


def test_transparent_corners_take_the_colour_of_the_rest() -> None:
    pixels = np.full((40, 40, 4), 255, np.uint8)
    pixels[:4, :4] = 0
    assert decode(save(Image.fromarray(pixels), "PNG")).pixels[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_pictures_are_reduced(kind: str) -> None:
    picture = decode(save(corner(1500), kind))
    assert picture.pixels.shape == (320, 640, 3)
    assert picture.scale == pytest.approx(3000 / 640)


def test_too_many_bytes() -> None:
    with pytest.raises(TooLargePictureError, match="20 MB"):
        decode(bytes(decoding.MAX_BYTES + 1))


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [6_000, 11_000, 60_000])
def test_too_many_pixels_are_refused_by_the_header(side: int) -> None:
    with pytest.raises(TooLargePictureError, match="pixels"):
        decode(png_header(side, side))


@pytest.mark.filterwarnings("error")
def test_a_baseline_jpeg_may_have_as_many_pixels_as_documented() -> None:
    """Pillow's own limit is 89.5 million; here 106."""
    picture = decode(save(Image.new("L", (10_300, 10_300), 255), "JPEG"))
    assert picture.pixels.shape == (640, 640, 3)
    with pytest.raises(TooLargePictureError, match="110"):
        decode(save(Image.new("L", (10_600, 10_600), 255), "JPEG"))


def test_a_progressive_jpeg_has_the_lower_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 5_000)
    decode(save(corner(), "JPEG"))
    with pytest.raises(TooLargePictureError):
        decode(save(corner(), "JPEG", progressive=True))


def test_too_small() -> None:
    with pytest.raises(DamagedPictureError, match="3×40"):
        decode(save(Image.new("L", (3, 40)), "PNG"))


@pytest.mark.parametrize("data", [b"hello", b"%PDF-1.4", b"<svg/>", bytes(100)])
def test_no_picture(data: bytes) -> None:
    with pytest.raises(UnknownFormatError, match="send one of these"):
        decode(data)


def test_empty() -> None:
    with pytest.raises(DamagedPictureError, match="empty"):
        decode(b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_truncated(kind: str) -> None:
    data = save(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)), kind)
    with pytest.raises(DamagedPictureError):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_any_damage_gives_a_picture_or_a_typed_error(kind: str) -> None:
    data = bytearray(save(corner(), kind))
    rng = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), 6):
            damaged[position] = int(rng.integers(256))
        try:
            assert decode(bytes(damaged)).pixels.ndim == 3
        except decoding.UnreadablePictureError:
            continue


@pytest.mark.parametrize(("orientation", "quarter_turns"), [(1, 0), (6, -1)])
def test_heic(orientation: int, quarter_turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(save_heic(corner(), exif=exif.tobytes()))
    upright = np.rot90(np.asarray(corner()), quarter_turns)
    assert picture.pixels.shape == upright.shape
    assert abs(picture.pixels.astype(int) - upright).mean() < 5


def test_heic_is_held_to_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    data = save_heic(corner())
    with pytest.raises(DamagedPictureError):
        decode(data[: len(data) // 2])
    monkeypatch.setattr(decoding, "MAX_PIXELS", 5_000)
    with pytest.raises(TooLargePictureError):
        decode(data)
