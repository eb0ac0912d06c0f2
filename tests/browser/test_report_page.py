"""The report in Chromium: `make test-browser`."""

import io
from dataclasses import dataclass
from pathlib import Path

import hand_made_report
import pytest
from chromium import watch
from PIL import Image
from playwright.sync_api import Browser, Page

from pipeline.report.writing import write_report

pytestmark = pytest.mark.browser


@dataclass
class Visit:
    """An open page, its console messages, and the addresses it requested."""

    page: Page
    messages: list[str]
    requests: list[str]

    @property
    def content_width(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth")


@pytest.fixture
def visit(browser: Browser):
    """Opens a file in a window of the given width in CSS pixels; below 600 it emulates a phone."""
    contexts = []

    def open_page(path: Path, width: int, scheme: str, media: str = "screen") -> Visit:
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": 800}, is_mobile=width < 600, color_scheme=scheme, offline=True
            )
        )
        page = contexts[-1].new_page()
        page.emulate_media(media=media)
        visit = Visit(page, *watch(page))
        visit.page.goto(path.as_uri())
        return visit

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module", params=["four models", "one model"])
def page(request, tmp_path_factory):
    models = hand_made_report.four_models() if request.param == "four models" else [hand_made_report.model()]
    return write_report(hand_made_report.report(models), tmp_path_factory.mktemp("report"))


@pytest.mark.parametrize("width", [375, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_the_window_and_makes_no_requests(visit, page, width, scheme):
    shown = visit(page, width, scheme)

    assert shown.messages == []
    assert shown.requests == [page.as_uri()]
    assert shown.content_width <= width, "only tables scroll sideways"
    assert shown.page.evaluate("[...document.images].every(image => image.naturalWidth === 28)")
    assert_is_drawn(shown.page.screenshot(full_page=True), width, scheme)


def assert_is_drawn(screenshot: bytes, width: int, scheme: str):
    """The screenshot has the page's width, a background that suits the scheme, and many colours."""
    with Image.open(io.BytesIO(screenshot)) as image:
        assert image.width == width
        assert image.height > 3 * image.width / 2
        background = image.convert("L").getpixel((2, 2))
        colours = image.convert("RGB").quantize(64).getcolors()
    assert (background > 200) == (scheme == "light")
    assert (background < 60) == (scheme == "dark")
    assert len(colours) > 32


def test_tables_of_twelve_models_fit_on_paper(visit, tmp_path):
    page = write_report(hand_made_report.report(hand_made_report.twelve_models()), tmp_path)
    a4 = 718  # CSS pixels between Chromium's usual margins

    assert visit(page, a4, "light", media="print").content_width <= a4


def test_contrast_is_sufficient(visit, page):
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
        found.text = Math.min(...[...document.querySelectorAll('body, svg text')].map(element => {
          const style = getComputedStyle(element);
          return ratio(element.tagName == 'text' ? style.fill : style.color);
        }));
        probe.remove();
        return found;
      })()
    """
    for scheme in ("light", "dark"):
        ratios = visit(page, 375, scheme).page.evaluate(contrast)
        assert ratios["text"] >= 4.5, scheme
        assert ratios["wrong"] >= 4.5, scheme
        assert {name: ratio for name, ratio in ratios.items() if ratio < 3} == {}, scheme


def test_the_checks_detect_a_faulty_page(visit, tmp_path):
    """Without this, the tests above could pass on any page."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<p style='width: 900px'>wide</p><img src='gone.png'><script>console.error('oh'); nothing()</script>"
    )

    shown = visit(page, 375, "light")

    assert any("oh" in message for message in shown.messages)
    assert any("nothing is not defined" in message for message in shown.messages)
    assert (tmp_path / "gone.png").as_uri() in shown.requests
    assert shown.content_width > 375
