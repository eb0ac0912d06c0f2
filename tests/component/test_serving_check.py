"""ServingCheck's comparison on a real export, complete and damaged."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts as artifacts
from tfx.types.channel_utils import as_channel

from components import judging
from components.mnist_example_gen.executor import encode_examples
from components.serving_check import ServingCheck, check_export


@pytest.fixture(scope="module")
def serialised(some_test_images):
    return encode_examples(*(array[:40] for array in some_test_images))


@pytest.fixture
def export(tiny_run, tmp_path):
    model = tiny_run.artifact("Trainer", "model", artifacts.Model)
    return Path(shutil.copytree(Path(model.uri) / "Format-Serving", tmp_path / "export"))


def test_a_complete_export_has_no_problem(export, serialised):
    report = check_export(str(export), serialised)
    assert report["problem"] is None
    assert report["images"] == 40
    assert report["largest_difference"] < 1e-3
    assert 0 < report["litert_latency_ms"] < 1000


@pytest.fixture
def check(tiny_run, export, tmp_path, monkeypatch):
    """Runs the component on the export; returns its blessing, the blessing's folder and the report in it."""

    monkeypatch.setattr(judging, "PAGES", dict.fromkeys(judging.PAGES, 3))  # reading all pictures takes long
    monkeypatch.setattr(judging, "OTHERS", 1)

    def check(baseline=(), **parameters):
        model, blessing = artifacts.Model(), artifacts.InfraBlessing()
        model.uri, blessing.uri = str(tmp_path), str(tmp_path / "blessing")
        export.rename(tmp_path / "Format-Serving")
        examples = tiny_run.artifact("MnistExampleGen", "examples", artifacts.Examples)
        component = ServingCheck(model=as_channel([model]), examples=as_channel([examples]), images=40, **parameters)
        component.executor_spec.executor_class().Do(
            {"model": [model], "examples": [examples], "baseline": list(baseline)},
            {"blessing": [blessing]},
            component.exec_properties,
        )
        folder = Path(blessing.uri)
        return blessing, folder, json.loads((folder / "report.json").read_text())

    return check


@pytest.mark.parametrize("whole", [True, False])
def test_the_executor_blesses_only_a_complete_export(check, export, whole):
    if not whole:
        (export / "assets.extra" / "model.tflite").write_bytes(b"TFL3" * 100)

    blessing, folder, report = check()

    assert blessing.get_int_custom_property("blessed") == whole
    assert (folder / ("INFRA_BLESSED" if whole else "INFRA_NOT_BLESSED")).is_file()
    assert report["images"] == 40
    assert (report["problem"] is None) == whole


@pytest.mark.parametrize(
    "break_it",
    [
        lambda export: (export / "assets.extra" / "model.tflite").unlink(),
        lambda export: (export / "assets.extra" / "model.tflite").write_bytes(b"TFL3" * 100),
        lambda export: (export / "assets.extra" / "card.json").write_text("{"),
        lambda export: (export / "assets.extra" / "card.json").write_text("[]"),
        lambda export: shutil.rmtree(export / "variables"),
        lambda export: (export / "saved_model.pb").unlink(),
    ],
    ids=["no flatbuffer", "broken flatbuffer", "broken card", "strange card", "no variables", "no SavedModel"],
)
def test_a_broken_export_is_a_problem(export, serialised, break_it):
    break_it(export)
    assert "cannot be loaded" in check_export(str(export), serialised)["problem"]


class Uniform(tf.Module):
    """Classifies every image as 0, with probability 0.1."""

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.uint8, name="images")])
    def answer(self, images):
        count = tf.shape(images)[0]
        return {"probabilities": tf.fill([count, 10], 0.1), "class": tf.zeros([count], tf.int64)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def answer_examples(self, examples):
        count = tf.shape(examples)[0]
        return {"probabilities": tf.fill([count, 10], 0.1), "class": tf.zeros([count], tf.int64)}


def save_uniform(folder, export):
    """Saves Uniform to `folder`, and its flatbuffer, which matches its card, to an export."""
    module = Uniform()
    signatures = {"serving_images": module.answer, "serving_default": module.answer_examples}
    tf.saved_model.save(module, str(folder), signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=["serving_images"])
    content = converter.convert()
    (export / "assets.extra" / "model.tflite").write_bytes(content)
    card = json.loads((export / "assets.extra" / "card.json").read_text())
    card["model_sha256"] = hashlib.sha256(content).hexdigest()
    (export / "assets.extra" / "card.json").write_text(json.dumps(card))


def test_a_flatbuffer_with_other_weights_disagrees(export, serialised, tmp_path):
    """With some versions LiteRT's converter succeeds but loses the weights."""
    save_uniform(tmp_path / "uniform", export)
    report = check_export(str(export), serialised)
    assert "disagree" in report["problem"]
    assert report["largest_difference"] > 1e-3


def test_an_export_the_bot_would_refuse_is_not_blessed(export, serialised, tmp_path):
    """All three endpoints agree, but misclassify people's digits."""
    save_uniform(tmp_path / "uniform", export)
    shutil.copytree(tmp_path / "uniform", export, dirs_exist_ok=True)
    report = check_export(str(export), serialised)
    assert report["largest_difference"] < 1e-3
    assert "the bot would not serve the export" in report["problem"]
    assert "canary digits" in report["problem"]


def test_a_model_that_reads_pictures_badly_is_not_blessed_and_the_report_has_figures(check):
    blessing, folder, report = check(thresholds=json.dumps({"min_pages_accuracy": 1.0, "min_refusal": 0.0}))

    assert blessing.get_int_custom_property("blessed") == 0
    assert report["problem"] is None
    (miss,) = report["misses"]
    assert miss.startswith(
        f"{report['pages_accuracy']:.2%} of synthetic pages get a confident right answer, below --min-p"
    )
    kept = list((folder / "pictures").iterdir())
    assert 0 < len(kept) <= 24
    assert all(path.read_bytes()[:2] in (b"\xff\xd8", b"\x89P") for path in kept)


def test_the_baseline_reads_the_same_pictures(check, tiny_run):
    same = tiny_run.artifact("Trainer", "model", artifacts.Model)

    _, _, report = check(
        baseline=[same],
        thresholds=json.dumps({"min_pages_accuracy": 0.0001, "min_refusal": 0.0001, "max_pictures_drop": 0.0}),
    )

    assert report["baseline_pages_accuracy"] == report["pages_accuracy"]
    assert report["baseline_refusal"] == report["refusal"]
    assert not any("baseline" in miss for miss in report["misses"])


def test_a_baseline_that_cannot_be_loaded_is_not_compared(check, tmp_path):
    gone = artifacts.Model()
    gone.uri = str(tmp_path / "gone")

    blessing, _, report = check(baseline=[gone], thresholds=json.dumps({"min_refusal": 0.0001, "max_pictures_drop": 0}))

    assert blessing.get_int_custom_property("blessed") == 1
    assert "baseline_refusal" not in report


def test_without_thresholds_the_pictures_are_skipped(check):
    blessing, folder, report = check(thresholds=json.dumps({"min_pages_accuracy": 0.0, "min_refusal": 0.0}))

    assert blessing.get_int_custom_property("blessed") == 1
    assert "refusal" not in report
    assert not (folder / "pictures").exists()
