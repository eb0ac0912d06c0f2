"""The report in a real browser: `make test-browser`."""

from pathlib import Path

import hand_made_report
import pytest
from chromium import Chromium, find_chromium
from PIL import Image

from pipeline.report.writing import write_report

pytestmark = pytest.mark.browser

MISSING = "These tests need Chromium: install it with `apt-get install chromium` (Debian) or your system's own means."


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = find_chromium()
    if program is None:
        pytest.fail(MISSING, pytrace=False)
    with Chromium(program, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module", params=["four models", "one model"])
def page(request, tmp_path_factory):
    models = hand_made_report.four_models() if request.param == "four models" else [hand_made_report.model()]
    return write_report(hand_made_report.report(models), tmp_path_factory.mktemp("report"))


@pytest.mark.parametrize("width", [375, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_asks_for_nothing(browser, page, width, scheme, tmp_path):
    visit = browser.visit(page, width, scheme)

    assert visit.messages == []
    assert [address for address in visit.requests if not address.startswith("data:")] == [page.as_uri()]
    assert visit.content_width <= width, "nothing but a table scrolls sideways"
    assert browser.evaluate("[...document.images].every(image => image.naturalWidth === 28)")
    assert_is_drawn(visit.screenshot, width, scheme, tmp_path)


def assert_is_drawn(screenshot: bytes, width: int, scheme: str, folder: Path):
    """The picture has the page's width, its background fits the scheme, and there is ink in many colours on it."""
    (folder / "page.png").write_bytes(screenshot)
    with Image.open(folder / "page.png") as image:
        assert width - 20 <= image.width <= width  # (a wide window has a scroll bar)
        assert image.height > 3 * image.width / 2
        background = image.convert("L").getpixel((2, 2))
        colours = image.convert("RGB").quantize(64).getcolors()
    assert (background > 200) == (scheme == "light")
    assert (background < 60) == (scheme == "dark")
    assert len(colours) > 32


def test_the_tables_of_twelve_models_fit_on_paper(browser, tmp_path):
    page = write_report(hand_made_report.report(hand_made_report.twelve_models()), tmp_path)
    a4 = 718  # CSS pixels between Chromium's usual margins

    assert browser.visit(page, a4, "light", media="print").content_width <= a4


def test_text_can_be_told_from_its_background(browser, page):
    """Contrast of at least 4.5 to 1 for body text and 3 to 1 for drawings' lines (WCAG 2.2, 1.4.3 and 1.4.11)."""
    contrast = """
      (() => {
        const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        const luminance = colour => {
          const [red, green, blue] = colour.match(/[0-9.]+/g).slice(0, 3).map(Number).map(channel);
          return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        const probe = document.body.appendChild(document.createElement('i'));
        const resolve = colour => { probe.style.color = colour; return luminance(getComputedStyle(probe).color); };
        const ground = resolve('Canvas');
        const ratio = colour => {
          const other = resolve(colour);
          return (Math.max(ground, other) + 0.05) / (Math.min(ground, other) + 0.05);
        };
        const found = {};
        for (const name of ['wrong', 'right', 's0', 's1', 's2', 's3', 's4', 's5', 's6', 's7'])
          found[name] = ratio(getComputedStyle(document.documentElement).getPropertyValue('--' + name));
        found.text = ratio('CanvasText');
        probe.remove();
        return found;
      })()
    """
    for scheme in ("light", "dark"):
        browser.visit(page, 375, scheme)
        ratios = browser.evaluate(contrast)
        assert ratios["text"] >= 4.5, scheme
        assert ratios["wrong"] >= 4.5, scheme
        assert {name: ratio for name, ratio in ratios.items() if ratio < 3} == {}, scheme


def test_a_page_that_misbehaves_is_noticed(browser, tmp_path):
    """The two tests above could not fail otherwise."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<p style='width: 900px'>wide</p><img src='gone.png'><script>console.error('oh'); nothing()</script>"
    )

    visit = browser.visit(page, 375, "light")

    assert any("oh" in message for message in visit.messages)
    assert any("nothing is not defined" in message for message in visit.messages)
    assert (tmp_path / "gone.png").as_uri() in visit.requests
    assert visit.content_width > 375
