"""A plain Keras script that a user would write instead of the pipeline: load, fit, evaluate, export, convert.

    python -m benchmarks.keras_script DATA OUT [--epochs 3 | --until 0.9925]

Keras' MNIST example with MyModel's layers: Adam with its defaults, batches of 64, no augmentation. The last line of the
output is JSON: test accuracy and epochs. With --until it evaluates after each epoch and ends at that test accuracy.
"""

import argparse
import gzip
import json
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf


def load(folder: Path, name: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Images float32 [N, 32, 32, 1] in 0..1 and labels uint8 [N]."""
    images = np.frombuffer(gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    padded = np.pad(images.reshape(-1, 28, 28, 1), [(0, 0), (2, 2), (2, 2), (0, 0)])
    return padded.astype(np.float32) / 255, labels


def build() -> keras.Model:
    """MyModel with a softmax."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def main() -> None:
    """Trains on DATA and writes a SavedModel and a LiteRT flatbuffer to OUT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--until", type=float)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)
    train, test = load(options.data, "train"), load(options.data, "t10k")
    held_out = slice(-2000, None)
    model = build()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    accuracy, epochs = 0.0, 0
    while (accuracy < options.until) if options.until else (epochs == 0):
        model.fit(
            train[0][:-2000],
            train[1][:-2000],
            batch_size=64,
            epochs=1 if options.until else options.epochs,
            validation_data=(train[0][held_out], train[1][held_out]),
            verbose=0,
        )
        epochs += 1 if options.until else options.epochs
        accuracy = model.evaluate(*test, verbose=0)[1]
    model.export(str(options.out / "saved_model"), verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(options.out / "saved_model"))
    (options.out / "model.tflite").write_bytes(converter.convert())
    print(json.dumps({"accuracy": accuracy, "epochs": epochs}))


if __name__ == "__main__":
    main()
