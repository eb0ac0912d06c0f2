import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hand_made_report import LAYERS, model

from pipeline.report import charts
from pipeline.report.contents import Curve


def parse(svg):
    return ElementTree.fromstring(svg.replace("xlink:href", "href"))


def texts(svg):
    return [element.text for element in parse(svg).iter("text")]


def tips(svg):
    return [element.text for element in parse(svg).iter("title")]


def places(path):
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path.get("d"))]


def within(svg):
    """Whether all elements with a position are inside the picture."""
    root = parse(svg)
    width, height = map(float, root.get("viewBox").split()[2:])
    marks = {mark for defined in root.iter("defs") for mark in defined}
    found = [place for path in root.iter("path") if path not in marks for place in places(path)]
    found += [(float(e.get("x")), float(e.get("y"))) for e in root.iter() if e.tag in ("text", "use")]
    return all(0 <= x <= width and 0 <= y <= height for x, y in found)


def accuracy(value, low, high, published=None):
    one = model()
    return replace(
        one,
        evaluation=replace(one.evaluation, accuracy=value),
        interval=(low, high),
        published_accuracy=published,
    )


def loss(*points, figure="loss"):
    one = replace(model(), curves=(Curve("validation", figure, points),))
    return charts.curves([one], {one.label: 9}, figure)


@pytest.mark.parametrize("values", [(0.94, 0.93, 0.95), (1.0, 0.996, 1.0), (0.0, 0.0, 0.2), (0.1, 0.02, 0.3)])
def test_intervals_are_on_an_axis_of_percent(values):
    models = [accuracy(*values), replace(accuracy(*values, published=0.97), label="<other>")]

    svg = charts.intervals(models, {models[0].label: 0, "<other>": 1})

    assert within(svg)
    assert f"{models[0].label}: {values[0]:.2%}" in texts(svg)
    assert sum(text.endswith(" %") for text in texts(svg)) >= 3
    assert [tip for tip in tips(svg) if "predecessor" in tip] == ["<other>, predecessor: 97.00%"]
    bar, dot = (group for group in parse(svg).iter("g") if group.findtext("title", "").startswith(models[0].label))
    (low, _), (high, _) = places(bar.find("path"))
    assert low <= float(dot.find(".//use").get("x")) <= high
    assert "var(--s0)" in svg
    assert "var(--s1)" in svg


def test_curves_fall_where_figures_fall():
    svg = loss((1, 0.5), (2, 0.05), (3, 0.005))

    (line,) = (group for group in parse(svg).iter("g") if group.find("title") is not None)
    steps = [second[1] - first[1] for first, second in pairwise(places(line.find("path")))]
    assert steps[0] == pytest.approx(steps[1], abs=0.2), "the scale is logarithmic"
    assert steps[0] > 0
    assert {"0.5", "0.005", "1", "2", "3", "epoch"} <= set(texts(svg))
    assert tips(svg) == ["MyModel, 10 epochs, validation"]
    assert within(svg)


@pytest.mark.parametrize(
    "points", [((1, 0.7),), ((1, 1.0), (2, 1.0)), ((1, 0.0), (2, 1.0)), tuple((n, 1 - 1 / n**3) for n in range(1, 101))]
)
def test_curves_of_any_length_and_size_fit(points):
    assert within(loss(*points, figure="accuracy"))


def test_a_resumed_training_starts_at_its_epoch():
    svg = loss(*((n, 1 / n) for n in range(23, 41)))

    assert {"23", "40"} <= set(texts(svg))
    assert "1" not in texts(svg)


def test_without_logs_no_curves():
    assert charts.curves([replace(model(), curves=())], {}, "loss") is None


def test_the_network_is_drawn_layer_by_layer():
    svg = charts.network(LAYERS)

    assert [text for text in texts(svg) if ":" in text or text in ("Input", "Flatten")] == [
        "Input",
        "Conv2D: 6 of 5×5, tanh",
        "AveragePooling2D: 2×2",
        "Flatten",
        "Dense: 10 units",
    ]
    assert "28 × 28 × 6 · 156 parameters" in texts(svg)
    assert within(svg)


def test_colours_come_from_the_theme_and_drawings_are_reproducible():
    svg = charts.network(LAYERS)

    assert not re.search(r"#[0-9a-f]{6}", svg)
    assert {"currentColor", "Canvas", "var(--s0)", "var(--s1)", "var(--s2)", "var(--s6)"} == set(
        re.findall(r"(?:fill|stroke): (?!none)([^;\"]*)", svg)
    )
    assert svg == charts.network(LAYERS)
