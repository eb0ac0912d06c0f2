import time

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from models.normalising import normalise, stroke_width, variants

Images = npt.NDArray[np.uint8]


def bar(height: int, width: int, thickness: int) -> npt.NDArray[np.float32]:
    ink = np.zeros((height, width), np.float32)
    cv2.line(ink, (width // 2, 0), (width // 2, height), 1.0, thickness)
    return ink


@pytest.mark.parametrize(("height", "width"), [(300, 120), (120, 300), (9, 4), (20, 20)])
def test_fits_a_20_pixel_box(height: int, width: int) -> None:
    image = normalise(np.ones((height, width), np.float32))
    rows, columns = np.flatnonzero(image.max(axis=1)), np.flatnonzero(image.max(axis=0))
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert max(len(rows), len(columns)) == 20
    assert len(rows) / len(columns) == pytest.approx(height / width, rel=0.1)


def test_centre_of_mass_is_the_middle() -> None:
    ink = np.zeros((100, 100), np.float32)
    ink[:, :50] = 1  # heavy on the left
    ink[70:, :] = 1
    image = normalise(ink).astype(float)
    y, x = np.mgrid[0:28, 0:28]
    assert (image * x).sum() / image.sum() == pytest.approx(13.5, abs=0.6)
    assert (image * y).sum() / image.sum() == pytest.approx(13.5, abs=0.6)


def test_edges_are_anti_aliased() -> None:
    ink = np.zeros((200, 200), np.float32)
    cv2.circle(ink, (100, 100), 80, 1.0, 20)
    values = np.unique(normalise(ink))
    assert ((values > 30) & (values < 220)).any()


def test_a_hairline_does_not_vanish() -> None:
    ink = bar(600, 200, 3)
    assert normalise(ink, 0.0).max() < 60
    assert normalise(ink, 1.0).max() > 150
    assert normalise(ink, 3.0).astype(int).sum() > 2 * normalise(ink, 1.0).astype(int).sum()


def test_a_wide_stroke_is_unchanged() -> None:
    ink = bar(200, 120, 60)
    np.testing.assert_array_equal(normalise(ink, 3.0), normalise(ink, 0.0))


@pytest.mark.parametrize("thickness", [3, 9, 21])
def test_stroke_width(thickness: int) -> None:
    y, x = np.mgrid[-150:150, -150:150]
    ink = (abs(np.hypot(x, y) - 100) < thickness / 2).astype(np.float32)
    assert stroke_width(ink) == pytest.approx(thickness, rel=0.2)


def test_without_ink_the_image_is_empty() -> None:
    assert not normalise(np.zeros((50, 30), np.float32)).any()


def test_mnist_images_are_almost_unchanged(some_test_images: tuple[Images, Images]) -> None:
    """Normalised images stay the same, except for a shift of one pixel."""
    for image in some_test_images[0][:50]:
        rows, columns = np.flatnonzero(image.max(axis=1)), np.flatnonzero(image.max(axis=0))
        ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32) / 255
        again = normalise(ink, 0.0)
        shifted = [np.roll(again, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        assert max(np.corrcoef(image.ravel(), one.ravel())[0, 1] for one in shifted) > 0.9


def test_variants() -> None:
    assert variants(bar(200, 80, 4)).shape == (2, 28, 28)


def test_a_long_thin_strip_is_fast() -> None:
    """A picture of 8×189 pixels, found by the fuzzer, took ten seconds."""
    before = time.process_time()
    seen = variants(bar(3780, 160, 10))
    assert time.process_time() - before < 2
    assert seen[0].max() > 0
