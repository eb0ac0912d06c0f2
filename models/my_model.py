"""MyModel, the predecessor's own convolutional network, 121,994 parameters."""

import keras


def build() -> keras.Model:
    """Builds the network: float32 [N, 32, 32, 1] in 0..1 to logits float32 [N, 10]."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 1), name="image"),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, dtype="float32", name="logits"),
        ],
        name="my_model",
    )
