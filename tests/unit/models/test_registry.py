"""The contract of every network in the registry."""

import numpy as np
import pytest

from models.registry import ARCHITECTURES

PARAMETERS = {"lenet": 61_706, "my_model": 121_994}


@pytest.fixture(params=sorted(ARCHITECTURES))
def name(request):
    return request.param


def test_maps_inputs_to_logits(name):
    model = ARCHITECTURES[name].build()
    assert model.input_shape == (None, 32, 32, 1)
    logits = model(np.random.default_rng(0).random((3, 32, 32, 1), np.float32)).numpy()
    assert logits.shape == (3, 10)
    assert logits.dtype == np.float32
    assert not np.allclose(logits.sum(axis=1), 1.0), "these are probabilities: the softmax is the export's"


def test_builds_fresh_weights_each_time(name):
    first, second = (ARCHITECTURES[name].build().get_weights() for _ in range(2))
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("known", "parameters"), PARAMETERS.items())
def test_has_as_many_parameters_as_specified(known, parameters):
    assert ARCHITECTURES[known].build().count_params() == parameters


def test_layers_are_as_specified():
    def outline(known):
        return [
            (
                type(layer).__name__,
                getattr(layer, "activation", None) and layer.activation.__name__,
                layer.output.shape[1:],
            )
            for layer in ARCHITECTURES[known].build().layers
        ]

    assert outline("lenet") == [
        ("Conv2D", "tanh", (28, 28, 6)),
        ("AveragePooling2D", None, (14, 14, 6)),
        ("Activation", "sigmoid", (14, 14, 6)),
        ("Conv2D", "tanh", (10, 10, 16)),
        ("AveragePooling2D", None, (5, 5, 16)),
        ("Activation", "sigmoid", (5, 5, 16)),
        ("Conv2D", "tanh", (1, 1, 120)),
        ("Flatten", None, (120,)),
        ("Dense", "tanh", (84,)),
        ("Dense", "linear", (10,)),
    ]
    assert outline("my_model") == [
        ("Conv2D", "relu", (30, 30, 32)),
        ("MaxPooling2D", None, (15, 15, 32)),
        ("Conv2D", "relu", (13, 13, 64)),
        ("MaxPooling2D", None, (6, 6, 64)),
        ("Conv2D", "relu", (4, 4, 64)),
        ("Flatten", None, (1024,)),
        ("Dense", "relu", (64,)),
        ("Dense", "linear", (10,)),
    ]
