"""The report on a real run."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from components.evaluation.metrics import image_digest
from models.export.layout import CARD_FILE
from models.registry import ARCHITECTURES
from pipeline.history.reading import find_run, read_runs
from pipeline.report import ReportError
from pipeline.report.collection import collect, read_photos
from pipeline.report.selection import select_runs
from pipeline.report.writing import render_html


@pytest.fixture(scope="module")
def run(tiny_run):
    return find_run(read_runs(tiny_run.config.root), tiny_run.run.run_id)


@pytest.fixture(scope="module")
def report(run):
    return collect([run], [], "digits report")


def test_the_figures_match_the_evaluators(report, tiny_run):
    (model,) = report.models
    figures = tiny_run.run.figures

    assert json.loads(json.dumps(model.evaluation.figures())) == figures
    assert model.interval[0] < figures["accuracy"] < model.interval[1]
    assert model.blessed is True
    assert model.version == tiny_run.run.version
    assert model.split_sizes == tiny_run.run.split_sizes
    assert report.title == model.label == "MyModel, 2 epochs"
    assert report.comparisons == ()


def test_training_curves_match_tensorboards(report, tiny_run):
    curves = {(curve.split, curve.figure): curve.points for curve in report.models[0].curves}

    assert set(curves) == {(s, f) for s in ("training", "validation") for f in ("accuracy", "loss")}
    assert all([epoch for epoch, _ in points] == [1, 2] for points in curves.values())
    card = report.models[0].card
    assert curves["validation", "accuracy"][-1][1] == pytest.approx(card["metrics"]["eval_accuracy"])


def test_the_network_is_described_as_it_was_trained(report):
    layers = report.models[0].card["layers"]

    built = ARCHITECTURES["my_model"].build()
    assert [layer["kind"] for layer in layers] == ["Input", *(type(layer).__name__ for layer in built.layers)]
    assert sum(layer["parameters"] for layer in layers) == built.count_params() == 121_994
    assert layers[1]["detail"] == "32 of 3×3, relu"
    assert "CPU" in report.models[0].card["machine"]


def test_sizes_and_latency_match_the_export(report, tiny_run):
    (model,) = report.models
    pushed = Path(tiny_run.run.destination)

    assert model.litert_bytes == (pushed / "assets.extra" / "model.tflite").stat().st_size
    weights = sum(path.stat().st_size for path in (pushed / "variables").iterdir())
    assert weights < model.saved_model_bytes < weights + 2**20
    assert 0 < model.latency_ms < 1000


def test_misclassified_images_are_found(report, tiny_run):
    by_digest = {misread.digest: misread for misread in report.models[0].evaluation.misread}

    assert len(report.misread) == len(by_digest) > 0
    for picture in report.misread:
        misread = by_digest[image_digest(base64.b64decode(picture.png))]
        assert picture.label == misread.label
        assert picture.answers == (("MyModel, 2 epochs", misread.predicted, misread.probability),)


def test_a_run_writes_its_page(tiny_run):
    page = Path(tiny_run.report)

    assert page == Path(tiny_run.config.root) / "reports" / tiny_run.run.run_id / "report.html"
    html = page.read_text(encoding="utf-8")
    assert tiny_run.config.command in html
    assert len(re.findall("data:image/png", html)) == tiny_run.run.figures["wrong"]


def test_the_same_model_twice_is_shown_once(run):
    again = replace(run, run_id="20990101-000000.0")

    assert [model.run_id for model in collect([again, run], [], "").models] == [again.run_id]


def test_photo_results_belong_to_the_model_that_read_them(run, report, tmp_path):
    mine, others = tmp_path / "mine.json", tmp_path / "others.json"
    mine.write_text(json.dumps({"export_id": report.models[0].card["export_id"], "accuracy": 0.5, "pictures": 8}))
    others.write_text(json.dumps({"export_id": "another", "accuracy": 0.1, "pictures": 9}))

    shown = collect([run], [others, mine], "")

    assert (shown.models[0].photos.accuracy, shown.models[0].photos.pictures) == (0.5, 8)
    assert "50.00\N{NO-BREAK SPACE}% of 8" in render_html(shown)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"export_id": "a", "accuracy": null, "pictures": 1}'])
def test_other_files_are_rejected_as_photo_results(tmp_path, content):
    file = tmp_path / "photos.json"
    file.write_text(content)

    with pytest.raises(
        ReportError, match=re.escape(f"{file} is not the output of `digits evaluate-photos DIR --json`")
    ):
        read_photos([file])


def test_a_missing_file_of_photo_results_is_a_one_line_error(tmp_path):
    with pytest.raises(ReportError, match=r"photos\.json cannot be read: No such file"):
        read_photos([tmp_path / "photos.json"])


def test_missing_artifacts_are_a_one_line_error(run, tmp_path):
    trainer = run["Trainer"]
    gone = replace(trainer.outputs["model"][0], uri=str(tmp_path / "gone"))
    steps = tuple(
        replace(step, outputs={**step.outputs, "model": (gone,)}) if step == trainer else step for step in run.steps
    )

    with pytest.raises(ReportError, match=r"The outputs of run .* cannot be read .*gone.*digits run --no-cache"):
        collect([replace(run, steps=steps)], [], "")


def test_by_default_each_recipes_newest_run_is_reported(tiny_run):
    runs = read_runs(tiny_run.config.root)

    chosen = select_runs(Path(tiny_run.config.root), [])

    recipes = [{k: v for k, v in run.parameters.items() if k != "source"} for run in chosen]
    assert all(recipes.count(recipe) == 1 for recipe in recipes)
    newest = next(run for run in runs if run.figures and run.parameters["model"] == "my_model" and run.model)
    assert newest.run_id in {run.run_id for run in chosen}


def test_runs_are_chosen_by_the_beginning_of_their_id(tiny_run):
    root, run_id = Path(tiny_run.config.root), tiny_run.run.run_id

    assert [run.run_id for run in select_runs(root, [run_id])] == [run_id]


@pytest.mark.parametrize("content", [b"\xe8\x00", b"[]", b'{"mod'])
def test_a_damaged_card_is_named(run, content):
    card = Path(run.model.uri) / "Format-Serving" / CARD_FILE
    before = card.read_bytes()
    card.write_bytes(content)
    try:
        with pytest.raises(ReportError, match=r"cannot be read \(.*Format-Serving/assets\.extra/card\.json: "):
            collect([run], [], "")
    finally:
        card.write_bytes(before)
