"""The Resolver's strategy on the ML Metadata of a real run."""

import pytest
from ml_metadata.metadata_store import MetadataStore
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.types import standard_artifacts as artifacts

from components.baseline import OlderBlessedModelStrategy


@pytest.mark.parametrize("newer", [True, False])
def test_a_candidate_is_compared_with_the_blessed_model_but_not_with_itself(tiny_run, newer):
    store = MetadataStore(sqlite_metadata_connection_config(tiny_run.config.metadata_path))
    model = tiny_run.artifact("Trainer", "model", artifacts.Model)
    blessing = tiny_run.artifact("Evaluator", "blessing", artifacts.ModelBlessing)
    candidate = artifacts.Model()
    candidate.id = model.id + newer
    inputs = {"candidate": [candidate], "model": [model], "model_blessing": [blessing]}

    found = OlderBlessedModelStrategy().resolve_artifacts(store, inputs)

    assert (found["model"], found["model_blessing"]) == (([model], [blessing]) if newer else ([], []))
