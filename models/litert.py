"""Converts a SavedModel's `serving_images` endpoint to LiteRT: `python -m models.litert SAVED_MODEL FLATBUFFER`."""

import sys

import tensorflow as tf


def main(saved_model: str, flatbuffer: str) -> None:
    """Writes the flatbuffer; weights stay float32 so that it answers as the SavedModel does."""
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=["serving_images"])
    with open(flatbuffer, "wb") as file:
        file.write(converter.convert())


if __name__ == "__main__":
    main(*sys.argv[1:])
