"""Converts a SavedModel's `serving_images` endpoint to LiteRT. Reads the two paths as lines: SavedModel, flatbuffer."""

import sys

import tensorflow as tf


def main() -> None:
    """Writes the flatbuffer; weights stay float32 so that it answers as the SavedModel does."""
    saved_model, flatbuffer = sys.stdin.readline().strip(), sys.stdin.readline().strip()
    if not flatbuffer:
        return  # the other side is gone
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=["serving_images"])
    with open(flatbuffer, "wb") as file:
        file.write(converter.convert())


if __name__ == "__main__":
    main()
