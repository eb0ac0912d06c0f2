import re

import pytest
from rich.console import Console

from pipeline.config import SCHEMA_FILE
from pipeline.data import mnist
from pipeline.data.files import DataError
from pipeline.data.statistics_page import describe_data, render, write_report


@pytest.fixture(scope="module")
def description(tiny_mnist):
    return describe_data(tiny_mnist)


@pytest.fixture(scope="module")
def html(tiny_mnist, description):
    return render(tiny_mnist, description)


@pytest.fixture
def console(tmp_path):
    with (tmp_path / "screen").open("w") as file:
        yield Console(file=file, width=200)


def test_the_splits_match_the_pipelines(description, some_test_images):
    assert {split.name: split.examples for split in description.splits} == {"train": 1000, "eval": 200, "test": 300}
    labels = some_test_images[1].tolist()
    assert description.splits[2].counts == [labels.count(digit) for digit in range(10)]


def test_the_figures_are_right(description, some_test_images):
    labels = some_test_images[1]
    figures = {(feature, figure): value for feature, figure, value in description.splits[2].features}

    assert figures["label", "missing"] == figures["image", "missing"] == "0"
    assert figures["label", "min"] == "0"
    assert figures["label", "max"] == "9"
    assert figures["label", "mean"] == f"{labels.mean():.3f}"
    assert figures["label", "standard deviation"] == f"{labels.std():.3f}"
    smallest, mean, largest = (
        float(figures["image", f"{kind} PNG, bytes"]) for kind in ("smallest", "mean", "largest")
    )
    assert 60 < smallest < mean < largest < 28 * 28


def test_each_digit_has_pictures(description):
    assert [len(pictures) for pictures in description.samples] == [12] * 10
    assert len({png for pictures in description.samples for png in pictures}) == 120


def test_the_page_shows_everything(tiny_mnist, html):
    assert "No anomalies:" in html
    assert str(tiny_mnist) in html
    assert "files that <code>digits data</code> did not make" in html
    assert html.count("<svg") == 3
    assert html.count('src="data:image/png;base64,') == 120
    assert "train: 1,000 examples" in html
    assert len(re.findall(r"<code>[0-9a-f]{64}</code>", html)) == 4
    assert "int_domain" in html


def test_the_page_is_self_contained(html):
    assert not re.search(r"https?:|<script|<link|@import|url\(|//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", html))
    assert all(address.startswith("data:") for address in re.findall(r'(?:src|href)="([^"]*)', html))


def test_the_source_of_a_folder_is_shown(mnist_folder, description):
    text = render(mnist_folder, description)

    assert "bundled images" in text
    for checksum in mnist.read_source(mnist_folder).sha256.values():
        assert checksum in text


def test_anomalies_are_listed(tiny_mnist, tmp_path):
    """Data that violates the schema, which has digits only up to 8 and a feature that is missing."""
    schema = tmp_path / "schema.pbtxt"
    colour = 'feature { name: "colour" type: INT presence { min_fraction: 1.0 min_count: 1 } }'
    schema.write_text(SCHEMA_FILE.read_text().replace("max: 9", "max: 8") + colour)

    description = describe_data(tiny_mnist, schema)
    text = render(tiny_mnist, description)

    for split in description.splits:
        assert {feature for feature, _, _ in split.anomalies} == {"label", "colour"}
    assert "No anomalies" not in text
    assert "The data does not match the reviewed schema" in text
    assert "split test, feature label:" in text
    assert "Unexpectedly large value: 9" in text
    assert "split train, feature colour:" in text


def test_text_is_escaped(tmp_path, description, tiny_mnist, write_mnist, some_training_images):
    folder = write_mnist(tmp_path / "<b>bold", some_training_images, some_training_images)

    assert "&lt;b&gt;bold" in render(folder, description)


def test_writing_prints_nothing_else(tiny_mnist, tmp_path, console, capfd):
    page = tmp_path / "new" / "page.html"
    write_report(tiny_mnist, page, console)

    console.file.flush()
    assert (tmp_path / "screen").read_text().splitlines() == [
        "Computing statistics with TensorFlow Data Validation ...",
        f"{page}: written, no anomalies. Open it in a browser.",
    ]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert capfd.readouterr() == ("", "")


def test_damaged_data_is_a_one_line_error_without_a_page(
    tmp_path, console, write_mnist, some_training_images, some_test_images
):
    images, labels = some_test_images
    folder = write_mnist(tmp_path / "data", some_training_images, (images, labels + 5))

    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz, offset \d+: label 1\d is outside 0\.\.9$"):
        write_report(folder, tmp_path / "page.html", console)
    assert not (tmp_path / "page.html").exists()
