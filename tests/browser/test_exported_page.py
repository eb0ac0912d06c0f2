"""The exported page, opened from disk in Chromium: `make test-browser`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_model
from chromium import watch
from playwright.sync_api import expect

from models.export.litert import LitertConverter
from models.normalising import normalise
from models.preprocessing import preprocess_images
from models.registry import ARCHITECTURES
from serving_bot.reading.classifier import Classifier
from serving_bot.versions.registry import asked_for
from serving_bot.web.static import export_page

pytestmark = pytest.mark.browser


def convert(name, folder):
    """A registered network with random weights as a flatbuffer."""
    keras.utils.set_random_seed(7)
    network = ARCHITECTURES[name].build()
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint(
        "serving_images",
        lambda images: {"probabilities": tf.nn.softmax(4 * network(preprocess_images(images)))},
        input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.uint8, name="images")],
    )
    archive.write_out(str(folder / "saved"), verbose=False)
    with LitertConverter() as converter:
        converter.convert(str(folder / "saved"), str(folder / "model.tflite"))
    return (folder / "model.tflite").read_bytes()


def visit(browser, tmp_path, content=None, **options):
    """The exported page, opened from disk, and its classifier."""
    tiny_model.push(tmp_path / "push", 7, content)
    export_page(str(tmp_path / "push"), tmp_path / "page")
    page = browser.new_context(**options).new_page()
    messages, _ = watch(page)
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else messages.append(request.url)
    )
    page.goto((tmp_path / "page" / "index.html").as_uri())
    return page, Classifier.load(asked_for(str(tmp_path / "push"))[0].version.path), messages


@pytest.mark.parametrize("name", [None, *ARCHITECTURES])
def test_probabilities_match_python(browser, tmp_path, name):
    page, classifier, messages = visit(browser, tmp_path, name and convert(name, tmp_path))
    rng = np.random.default_rng(7)
    digits = np.roll(tiny_model.templates()[rng.integers(0, 10, 1000)], rng.integers(-2, 3), axis=2)
    images = np.clip(digits + rng.normal(0, 40, digits.shape), 0, 255).astype(np.uint8)

    answers = np.array(
        page.evaluate("images => images.map(image => [...predict(image)])", images.reshape(1000, -1).tolist())
    )

    expected = classifier.predict(images)
    assert np.abs(answers - expected).max() < 1e-3
    close = np.diff(np.sort(expected, axis=1)[:, -2:], axis=1)[:, 0] < 1e-5  # (no confident answer)
    assert (answers.argmax(1) == expected.argmax(1))[~close].all()
    assert close.sum() < 10
    assert messages == []


@pytest.mark.parametrize("width", [1.0, 3.0])
def test_normalisation_matches_python(browser, tmp_path, width):
    page, _, _ = visit(browser, tmp_path)
    page.locator("#examples button").nth(2).click()

    found = page.evaluate(
        "width => findDigits(canvas).map(({ink}) => ({...ink, data: [...ink.data], seen: [...normalise(ink, width)]}))",
        width,
    )

    assert len(found) == 4
    for one in found:
        ink = np.array(one["data"], np.float32).reshape(one["height"], one["width"])
        difference = np.abs(np.array(one["seen"]).reshape(28, 28) - normalise(ink, width).astype(int))
        assert difference.max() <= 2


def test_a_drawing_is_read_and_photos_are_not_offered(browser, tmp_path):
    page, _, messages = visit(browser, tmp_path, locale="en-GB")

    page.locator("#examples button").nth(1).click()

    expect(page.locator("#tiles li")).to_have_count(2)
    expect(page.locator("#boxes rect")).to_have_count(2)
    expect(page.locator("#model")).to_contain_text("Ten templates, version 7, test accuracy 99.2%")
    for name in ("#camera", "#file", "#why"):
        expect(page.locator(name)).to_be_hidden()
    page.locator("#clear").click()
    expect(page.locator("#note")).to_have_text("Draw something.")
    assert messages == []
