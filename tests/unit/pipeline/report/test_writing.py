import json
import re
from dataclasses import replace

import hand_made_report
import pytest
from hand_made_report import four_models, model

from pipeline.data.drift import Drift
from pipeline.report.contents import Photos, UsersReport
from pipeline.report.writing import as_json, render_html, render_markdown, write_report


@pytest.fixture(scope="module")
def report():
    models = four_models()
    models[2] = replace(models[2], photos=Photos("photos.json", 0.9512, 400), version=1763800000, blessed=True)
    return hand_made_report.report(models)


@pytest.fixture(scope="module")
def html(report):
    return render_html(report)


@pytest.fixture(scope="module")
def markdown(report):
    return render_markdown(report)


def test_the_conclusions_come_first(html, markdown):
    assert html.index("MyModel beats LeNet.") < html.index("<h2")
    assert "* **MyModel beats LeNet.**\n* **10 and 40 epochs do not differ significantly.**\n" in markdown


def cells(markdown, name):
    (row,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", markdown, re.MULTILINE)
    return [cell.strip().replace("\N{NO-BREAK SPACE}", " ") for cell in row.split("|")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Accuracy", ["94.00 %", "94.40 %", "98.80 %", "**98.90 %**"]),
        ("95 % interval", ["92.35 to 95.31 %", "92.80 to 95.66 %", "97.91 to 99.31 %", "98.04 to 99.38 %"]),
        ("Predecessor's", ["97.17 %", "97.53 %", "99.25 %", "99.24 %"]),
        ("Misclassified", ["60 of 1,000", "56 of 1,000", "12 of 1,000", "11 of 1,000"]),
        ("Loss", ["0.0700", "0.0660", "0.0220", "**0.0210**"]),
        ("Calibration error", ["0.0020"] * 4),
        ("Photos", ["–", "–", "95.12 % of 400", "–"]),
        ("Parameters", ["**61,706**", "**61,706**", "121,994", "121,994"]),
        ("LiteRT", ["254 KiB"] * 4),
        ("Latency", ["0.123 ms"] * 4),
        ("Training", ["**2.1 min**", "8.3 min", "**2.1 min**", "8.3 min"]),
        ("Seed", ["1"] * 4),
        ("Verdict", ["–", "–", "blessed", "–"]),
        ("Pushed", ["–", "–", "version 1763800000", "–"]),
        ("Machine", ["2 CPUs, Some Processor, Linux"] * 4),
    ],
)
def test_the_figures_are_in_tables(html, markdown, name, shown):
    assert cells(markdown, name) == shown
    for value in shown:
        assert value.strip("*") in html.replace("\N{NO-BREAK SPACE}", " ")


def test_each_digit_has_a_row(markdown):
    assert [cells(markdown, str(digit))[0] for digit in range(10)] == ["94.00 %"] * 10


def test_every_pair_is_compared(html, markdown):
    for text in (html, markdown):
        assert text.count("are correct only with the former") == 6
        assert "after Holm's adjustment for 6 comparisons" in text.replace("&#39;", "'")


def test_every_chart_is_drawn(html):
    names = re.findall(r'<(?:svg|table) [^>]*aria-label="([^"]*)"', html)

    assert len([name for name in names if name.startswith("Confusion matrix")]) == 4
    assert len([name for name in names if name.startswith("Architecture")]) == 2
    assert {"Error over epochs", "Loss over epochs", "Test accuracy of each model with its 95 % interval"} <= {*names}


def test_a_truncated_list_of_mistakes_says_so(report):
    first = report.models[0]
    short = replace(first, evaluation=replace(first.evaluation, misread=first.evaluation.misread[:10]))
    lacking = replace(report, models=(short, *report.models[1:]))

    for render in (render_html, render_markdown):
        assert "At least 63 of 1,000" in render(lacking)
        assert "misclassifies more than 10,000" in render(lacking)
        assert "At least" not in render(report)
    assert "| Misclassified | 60 of 1,000 |" in render_markdown(lacking)


def test_every_misclassified_image_is_shown_with_all_answers(report, html):
    assert html.count('src="data:image/png;base64,') == len(report.misread) == 63
    assert html.count("true: <b>") == 63
    assert len(re.findall(r"<div>LeNet, 10 epochs: <b>\d</b>, 80 %</div>", html)) == 60
    assert html.index("The other 15") > html.index("true: <b>")


def test_the_page_is_self_contained(html):
    plain = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)

    assert not re.search(r"https?:|<script|<link|@import|url\(|//[a-z]", plain)
    assert all(address.startswith(("data:", "#")) for address in re.findall(r'(?:src|href)="([^"]*)', html))


def test_the_json_has_the_same_figures(report, tmp_path):
    page = write_report(report, tmp_path / "new" / "folder")

    content = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    assert content["conclusions"] == list(report.conclusions)
    assert content["models"][3]["evaluation"]["accuracy"] == 0.989
    assert len(content["models"][0]["evaluation"]["misread"]) == 60
    assert len(content["comparisons"]) == 6
    assert sorted(path.name for path in page.parent.iterdir()) == ["report.html", "report.json", "report.md"]


def test_a_single_model_has_a_page():
    text = render_html(hand_made_report.report([model()]))

    assert "answer: <b>8</b>, 80 %" in text
    assert "Pairwise comparison" not in text
    assert 'class="conclusion"' not in text


@pytest.fixture(scope="module")
def seeds():
    return hand_made_report.report(hand_made_report.twelve_models())


def test_seeds_are_distinguished_and_summarised_before_the_wide_tables(seeds):
    text = render_markdown(seeds).replace("\N{NO-BREAK SPACE}", " ")

    assert "| | LeNet, 10 epochs, seed 1 | LeNet, 10 epochs, seed 2 | LeNet, 10 epochs, seed 3 | LeNet, 40" in text
    assert "| LeNet, 10 epochs | 1, 2, 3 | 93.80 % (seed 2) | 93.70 % | 93.90 % |" in text
    assert text.index("## Seeds") < text.index("## Test images")


def test_with_seeds_recipes_are_compared_by_named_models(seeds):
    text = render_markdown(seeds)

    assert seeds.conclusions == ("MyModel beats LeNet.", "10 and 40 epochs do not differ significantly.")
    assert len(seeds.comparisons) == 6
    assert "* MyModel, 10 epochs beats LeNet, 10 epochs: of the test images 50 are correct only with the former" in text
    assert "Of several seeds the one with the median accuracy is compared" in text


def test_the_seeds_of_a_recipe_share_a_colour(seeds):
    text = render_html(seeds)

    key = re.search(r'<ul class="key">(.*?)</ul>', text, re.DOTALL)[1]
    assert re.findall(r'class="(s\d)"><i></i> ([^<]*)<', key) == [
        ("s0", "LeNet, 10 epochs, 3 seeds"),
        ("s1", "LeNet, 40 epochs, 3 seeds"),
        ("s2", "MyModel, 10 epochs, 3 seeds"),
        ("s3", "MyModel, 40 epochs, 3 seeds"),
    ]
    drawn = dict(re.findall(r"<title>(.*)</title>\s*<path [^>]*stroke: var\(--(s\d)\)", text))
    models = [model.label for model in seeds.models]
    lines = {drawn[f"{label}, {split}"] + label for label in models for split in ("training", "validation")}
    bars = {colour + tip.partition(":")[0] for tip, colour in drawn.items() if ":" in tip}
    assert lines == bars == {f"s{number // 3}{label}" for number, label in enumerate(models)}


@pytest.mark.parametrize("name", ["report", "seeds"])
def test_every_column_and_row_of_a_table_has_a_header(request, name):
    text = render_html(request.getfixturevalue(name))

    headers = re.findall(r"<th\b([^>]*)>([^<]*)</th>", text)
    assert len(headers) > 30
    assert [header for header in headers if "scope=" not in header[0] or not header[1].strip()] == []


def test_figures_missing_in_older_runs_are_left_out():
    old = model()
    old = replace(old, card={key: value for key, value in old.card.items() if key not in ("layers", "machine")})
    old = replace(old, curves=(), latency_ms=None)

    text = render_html(hand_made_report.report([old]))

    assert "does not list its layers" in text
    assert "The training has no logs" in text
    assert "Machine" not in text
    assert "Latency</th>" not in text
    assert "does not list its layers" in render_markdown(hand_made_report.report([old])).replace("its card ", "")


def test_mistakes_are_coloured_by_number():
    counts = [[100 if row == column else 0 for column in range(10)] for row in range(10)]
    counts[4][9], counts[7][2] = 16, 1
    one = model()

    text = render_html(
        hand_made_report.report([replace(one, evaluation=replace(one.evaluation, confusion=tuple(map(tuple, counts))))])
    )

    cells = re.findall(r'<td title="(\d+) of digit (\d) read as (\d)"\s*(class="right"|style="--share: [^"]*")', text)
    shares = {cell[:3]: float(cell[3][:-1].partition(": ")[2]) for cell in cells if "share" in cell[3]}
    assert shares["16", "4", "9"] > shares["1", "7", "2"] > shares["0", "4", "5"] == 0
    assert [cell[1:3] for cell in cells if "right" in cell[3]] == [(str(digit), str(digit)) for digit in range(10)]
    assert len(cells) == 100


def test_models_without_a_mistake_have_a_page():
    assert "<p>None.</p>" in render_html(hand_made_report.report([model(misread=())]))


def test_a_resumed_training_is_marked():
    one = model()
    one = replace(one, curves=tuple(replace(curve, points=curve.points[4:]) for curve in one.curves))

    assert "begins later: MyModel, 10 epochs." in render_html(hand_made_report.report([one]))


def test_text_is_escaped():
    report = replace(hand_made_report.report([model()]), title="<b>bold", command="digits report '<i>'")

    text = render_html(report)

    assert "&lt;b&gt;bold" in text
    assert "<i>'" not in text


def test_users_digits_have_a_section_with_their_mistakes():
    users = UsersReport(
        0.945, 0.795, 73, 0.0137, 300, Drift(0.05, 0.125, 0.5), (("4, answered 9 (77%)", "iVBORw0KGgo="),)
    )
    report = hand_made_report.report([replace(model(), users=users)])

    page, text = render_html(report), render_markdown(report)

    assert 'id="users"' in page
    assert "94.50" in page
    assert "79.50" in page
    assert "4, answered 9 (77%)" in page
    assert "iVBORw0KGgo=" in page
    assert "of 73" in text
    assert "1.37" in text
    drift = "slant by 0.50, ink by 0.12, shares of digits by 0.05"
    assert drift in page
    assert drift in text
    assert "iVBORw0KGgo=" not in json.dumps(as_json(report))
    assert 'id="users"' not in render_html(hand_made_report.report([model()]))
