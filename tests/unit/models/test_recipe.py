import json

import pytest

from models.recipe import TRAINING_SETTINGS, Execution, Recipe, Training
from models.registry import ARCHITECTURES
from models.settings import SettingError, settings_of


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_a_training_survives_its_configuration_as_json(model):
    training = Training.choose(model, {"epochs": 7, "outliers": 5, "xla": True}, "abc")

    assert (training.epochs, training.recipe.outliers, training.execution.xla) == (7, 5, True)
    assert Training.from_config(json.loads(json.dumps(training.to_config()))) == training


def test_unset_settings_get_the_networks_defaults():
    chosen = Training.choose("lenet", {"batch_size": None, "augment": True}, "")

    assert chosen.recipe == Recipe(learning_rate=6e-3, drawn_digits=8, augment=True)
    assert chosen.execution == Execution()


def test_the_configuration_is_flat_and_has_every_setting():
    config = Training.choose("my_model", {}, "abc").to_config()

    assert set(config) == {"model", "source", *TRAINING_SETTINGS}
    assert not any(isinstance(value, dict) for value in config.values())


def test_missing_settings_get_defaults_and_unknown_ones_are_named():
    assert Training.from_config({"model": "lenet", "epochs": 2, "source": ""}) == Training.choose(
        "lenet", {"epochs": 2}, ""
    )
    with pytest.raises(SettingError, match="release has no setting 'momentum'"):
        Training.from_config({"model": "lenet", "source": "", "momentum": 0.9})
    with pytest.raises(SettingError, match="no 'model'"):
        Training.from_config({"source": ""})


def test_keys_for_vertex_ais_trainer_are_not_settings():
    config = Training.choose("lenet", {}, "").to_config()

    assert Training.from_config({**config, "ai_platform_enable_vertex": True}).to_config() == config


def test_networks_with_settings_of_their_own_are_in_the_registry():
    named = {model for known in TRAINING_SETTINGS.values() for model in known.by_model}

    assert named == set(ARCHITECTURES)
    assert set(settings_of(Recipe)) < set(TRAINING_SETTINGS)
