import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from cattrs import ClassValidationError, transform_error
from factories import make_training

from pipeline.config import SCHEMA_FILE, PipelineConfig, Thresholds, child_environment, state_folder

CONFIG = PipelineConfig(
    data="/data",
    root="/runs",
    push_dir="/pushed",
    training=make_training(epochs=7, outliers=5),
    thresholds=Thresholds(min_accuracy=0.9, min_digit_accuracy=0.8, max_drop=0.1),
    baseline="none",
    eval_size=12,
    serving_images=34,
    enable_cache=False,
    beam_args=("--direct_num_workers=2",),
)


def test_survives_json():
    assert PipelineConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG


@pytest.mark.parametrize("field", ["training", "thresholds"])
def test_the_json_test_uses_other_values_than_the_defaults(field):
    changed = PipelineConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict())))

    assert getattr(changed, field) == getattr(CONFIG, field)
    assert getattr(changed, field) is not getattr(CONFIG, field)
    assert changed.beam_args == ("--direct_num_workers=2",)


def test_missing_thresholds_survive_json():
    assert (
        PipelineConfig.from_dict(json.loads(json.dumps(replace(CONFIG, thresholds=None).to_dict()))).thresholds is None
    )


def test_an_unknown_key_is_an_error():
    with pytest.raises(ClassValidationError) as raised:
        PipelineConfig.from_dict({**CONFIG.to_dict(), "colour": "red"})

    assert "colour" in transform_error(raised.value)[0]


def test_is_immutable():
    with pytest.raises(FrozenInstanceError):
        CONFIG.root = "/elsewhere"


def test_the_metadata_is_in_the_root():
    assert replace(CONFIG, root="/a/b").metadata_path == "/a/b/metadata.sqlite"


@pytest.mark.parametrize("root", ["gs://bucket/digits", "gs:/bucket/digits"], ids=["address", "as a Path has it"])
def test_metadata_of_a_root_in_a_store_stays_local(root):
    config = replace(CONFIG, root=root)
    assert config.metadata_path == "runs/gs/bucket/digits/metadata.sqlite"
    assert state_folder("runs") == Path("runs")


def test_the_schema_exists():
    assert "int_domain" in SCHEMA_FILE.read_text(encoding="utf-8")


def test_the_childs_environment_quiets_tensorflow_by_default(monkeypatch):
    monkeypatch.setenv("DIGITS_SOMETHING", "1")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    assert child_environment()["TF_CPP_MIN_LOG_LEVEL"] == "1"
    assert child_environment()["DIGITS_SOMETHING"] == "1"

    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    assert child_environment()["TF_CPP_MIN_LOG_LEVEL"] == "0"
