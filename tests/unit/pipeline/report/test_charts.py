from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hand_made_report import LAYERS

from pipeline.report.charts import Interval, Line, confusion_matrix, curves, intervals, network


def parse(svg):
    return ElementTree.fromstring(svg)


def texts(svg):
    return [element.text for element in parse(svg).iter("text")]


def within(svg):
    """Whether all that has a place lies inside the picture."""
    root = parse(svg)
    width, height = map(float, root.get("viewBox").split()[2:])
    xs = [float(e.get(name)) for e in root.iter() for name in ("x", "x1", "x2", "cx") if e.get(name)]
    ys = [float(e.get(name)) for e in root.iter() for name in ("y", "y1", "y2", "cy") if e.get(name)]
    return min(xs) >= 0 and max(xs) <= width and min(ys) >= 0 and max(ys) <= height


@pytest.mark.parametrize("values", [(0.94, 0.93, 0.95), (1.0, 0.996, 1.0), (0.0, 0.0, 0.2), (0.1, 0.02, 0.3)])
def test_intervals_lie_on_an_axis_of_percent(values):
    svg = intervals([Interval("One", *values, None, 0), Interval("Other", *values, 0.97, 1)])

    assert within(svg)
    assert f"One: {values[0]:.2%}" in texts(svg)
    places = [(float(line.get("x1")), float(line.get("x2"))) for line in parse(svg).iter("line")]
    dot = float(next(parse(svg).iter("circle")).get("cx"))
    whisker = next((x1, x2) for x1, x2 in places if x1 != x2)
    assert whisker[0] <= dot <= whisker[1]
    assert svg.count('class="published"') == 1


def test_curves_fall_where_figures_fall():
    svg = curves([Line("loss", ((1, 0.5), (2, 0.05), (3, 0.005)), 0, False)], "Loss", percent=False)

    points = [tuple(map(float, point.split(","))) for point in next(parse(svg).iter("polyline")).get("points").split()]
    steps = [second[1] - first[1] for first, second in pairwise(points)]
    assert steps[0] == pytest.approx(steps[1], abs=0.2), "the scale is logarithmic"
    assert steps[0] > 0
    assert {"0.5", "0.005", "1", "2", "3", "epoch"} <= set(texts(svg))
    assert within(svg)


@pytest.mark.parametrize(
    "points", [((1, 0.3),), ((1, 0.0), (2, 0.0)), ((1, 1.0), (2, 0.0)), tuple((n, 1 / n**3) for n in range(1, 101))]
)
def test_curves_of_any_length_and_size_fit(points):
    assert within(curves([Line("any", points, 9, True)], "Error", percent=True))


def test_a_training_that_goes_on_begins_where_it_went_on():
    svg = curves([Line("loss", tuple((n, 1 / n) for n in range(23, 41)), 0, False)], "Loss", percent=False)

    assert {"23", "40"} <= set(texts(svg))
    assert "1" not in texts(svg)


def test_mistakes_are_coloured_by_how_many_they_are():
    counts = [[100 if row == column else 0 for column in range(10)] for row in range(10)]
    counts[4][9], counts[7][2] = 16, 1

    root = parse(confusion_matrix(counts))

    wrong = [group for group in root.iter("g") if group.find("rect").get("class") == "wrong"]
    assert [group.find("title").text for group in wrong] == ["16 of digit 4 read as 9", "1 of digit 7 read as 2"]
    opacities = [float(group.find("rect").get("fill-opacity")) for group in wrong]
    assert opacities[0] > opacities[1] > 0.1
    assert sum(group.find("rect").get("class") == "right" for group in root.iter("g")) == 10


def test_a_model_without_mistakes_has_a_matrix():
    assert within(confusion_matrix([[int(row == column) for column in range(10)] for row in range(10)]))


def test_the_network_is_drawn_layer_by_layer():
    svg = network(LAYERS)

    assert [text for text in texts(svg) if ":" in text or text in ("Input", "Flatten")] == [
        "Input",
        "Conv2D: 6 of 5×5, tanh",
        "AveragePooling2D: 2×2",
        "Flatten",
        "Dense: 10 units",
    ]
    assert "28 × 28 × 6 · 156 parameters" in texts(svg)
    assert within(svg)


def test_names_are_escaped():
    assert "<b>" not in intervals([Interval("<b>", 0.5, 0.4, 0.6, None, 0)])
