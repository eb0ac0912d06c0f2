"""LeNet-5 as in the predecessor, 61,706 parameters (after LeCun et al., 1998, Gradient-Based Learning, fig. 2)."""

import keras


def build() -> keras.Model:
    """Builds the network: float32 [N, 32, 32, 1] in 0..1 to logits float32 [N, 10].

    The sigmoids after pooling saturate, and their slope is at most a quarter. The layers after them are therefore
    initialised with variance scaling 6 instead of 1; with 1, accuracy after ten epochs is a point lower.
    """
    behind_sigmoid = keras.initializers.VarianceScaling(6.0, mode="fan_avg", distribution="uniform")
    return keras.Sequential(
        [
            keras.Input((32, 32, 1), name="image"),
            keras.layers.Conv2D(6, 5, activation="tanh"),
            keras.layers.AveragePooling2D(2),
            keras.layers.Activation("sigmoid"),
            keras.layers.Conv2D(16, 5, activation="tanh", kernel_initializer=behind_sigmoid),
            keras.layers.AveragePooling2D(2),
            keras.layers.Activation("sigmoid"),
            keras.layers.Conv2D(120, 5, activation="tanh", kernel_initializer=behind_sigmoid),
            keras.layers.Flatten(),
            keras.layers.Dense(84, activation="tanh"),
            keras.layers.Dense(10, dtype="float32", name="logits"),
        ],
        name="lenet",
    )
