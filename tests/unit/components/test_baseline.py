from pathlib import Path

import pytest
from tfx.types.standard_artifacts import Model, ModelBlessing

from components.baseline import CURRENT_MODEL_ID, OlderBlessedModelStrategy

HERE = str(Path(__file__).parent)


def model(number, uri=HERE):
    artifact = Model()
    artifact.id = number
    artifact.uri = uri
    return artifact


def blessing(of, blessed=1):
    artifact = ModelBlessing()
    artifact.id = 1000 + of
    artifact.set_int_custom_property(CURRENT_MODEL_ID, of)
    artifact.set_int_custom_property("blessed", blessed)
    return artifact


def resolve(candidates, models, blessings):
    inputs = {"candidate": candidates, "model": models, "model_blessing": blessings}
    found = OlderBlessedModelStrategy().resolve_artifacts(None, inputs)
    assert found["candidate"] == candidates
    assert len(found["model"]) == len(found["model_blessing"])
    return [(artifact.id, judged.id) for artifact, judged in zip(found["model"], found["model_blessing"], strict=True)]


def test_an_older_blessed_model():
    assert resolve([model(5)], [model(2), model(5)], [blessing(2)]) == [(2, 1002)]


@pytest.mark.parametrize("turned", [False, True])
def test_the_latest_of_several_in_any_order(turned):
    models, blessings = [model(2), model(4), model(7)], [blessing(2), blessing(4)]
    if turned:
        models.reverse()
        blessings.reverse()
    assert resolve([model(7)], models, blessings) == [(4, 1004)]


def test_the_candidate_and_newer_models_are_skipped():
    models = [model(2), model(5), model(9)]
    assert resolve([model(5)], models, [blessing(2), blessing(5), blessing(9)]) == [(2, 1002)]


def test_an_unblessed_model_is_skipped():
    assert resolve([model(7)], [model(2), model(4), model(7)], [blessing(2), blessing(4, 0)]) == [(2, 1002)]
    assert resolve([model(7)], [model(4), model(7)], [blessing(4, 0)]) == []


def test_an_unevaluated_model_is_skipped():
    assert resolve([model(7)], [model(4), model(7)], []) == []


def test_a_model_blessed_against_one_baseline_and_not_against_another_stays_blessed():
    assert resolve([model(7)], [model(4), model(7)], [blessing(4), blessing(4, 0)]) == [(4, 1004)]


def test_without_a_candidate_there_is_no_baseline():
    assert resolve([], [model(4)], [blessing(4)]) == []


def test_a_model_with_deleted_files_is_skipped(tmp_path):
    models = [model(2), model(4, str(tmp_path / "deleted")), model(7)]
    assert resolve([model(7)], models, [blessing(2), blessing(4)]) == [(2, 1002)]
