"""LiteRT's converter with a network that it cannot convert."""

import pytest
import tensorflow as tf

from models.export.litert import ConversionError, LitertConverter


def test_an_operation_missing_in_litert_is_named(tmp_path):
    class Network(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.uint8, name="images")])
        def answer(self, images):
            return {"probabilities": tf.math.erfinv(tf.cast(images, tf.float32) / 256)}

    network = Network()
    tf.saved_model.save(network, str(tmp_path / "network"), {"serving_images": network.answer})

    with LitertConverter() as converter, pytest.raises(ConversionError, match="LiteRT has no operation Erfinv"):
        converter.convert(str(tmp_path / "network"), str(tmp_path / "model.tflite"))
