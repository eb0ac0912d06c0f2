import keras
import numpy as np
import pytest

from compat.keras import build_before_fit


@pytest.fixture
def model():
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return model


def test_keras_still_has_the_private_names(model):
    assert callable(model._symbolic_build)
    assert callable(model._maybe_symbolic_build), "fit calls it, so replacing it keeps fit from building"


def test_optimizer_and_metrics_are_built_from_the_examples(model):
    assert not model.optimizer.built

    build_before_fit(model, np.zeros((8, 4), np.float32), np.zeros((8, 2), np.float32))

    assert model.optimizer.built
    model.fit(np.zeros((8, 4)), np.zeros((8, 2)), verbose=0)
