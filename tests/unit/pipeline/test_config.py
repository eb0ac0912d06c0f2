from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from factories import make_config

from pipeline.config import SCHEMA_FILE, child_environment, state_folder

CONFIG = make_config("/some")


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
