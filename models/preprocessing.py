"""Raw image to network input. Transform, training and every exported endpoint use the same function."""

from __future__ import annotations

import tensorflow as tf

from models.features import IMAGE_KEY, INPUT_SIZE, LABEL_KEY, RAW_SIZE

_MARGIN = (INPUT_SIZE - RAW_SIZE) // 2


def decode_images(png: tf.Tensor) -> tf.Tensor:
    """Decodes PNG bytes, string [N], to uint8 [N, 28, 28, 1]; any other size raises InvalidArgumentError."""
    return tf.map_fn(
        lambda image: tf.ensure_shape(tf.io.decode_png(image, channels=1), [RAW_SIZE, RAW_SIZE, 1]),
        tf.reshape(png, [-1]),
        fn_output_signature=tf.TensorSpec([RAW_SIZE, RAW_SIZE, 1], tf.uint8),
    )


def preprocess_images(images: tf.Tensor) -> tf.Tensor:
    """Normalises to 0..1 and pads by 2: uint8 [N, 28, 28, 1] to float32 [N, 32, 32, 1] (LeCun et al., 1998)."""
    scaled = tf.cast(images, tf.float32) / 255.0
    return tf.pad(scaled, [[0, 0], [_MARGIN, _MARGIN], [_MARGIN, _MARGIN], [0, 0]])


def restore_images(images: tf.Tensor) -> tf.Tensor:
    """Inverts `preprocess_images`: float32 [N, 32, 32, 1] to uint8 [N, 28, 28, 1]."""
    return tf.cast(tf.round(images[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN] * 255), tf.uint8)


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """TensorFlow Transform's entry point: PNG bytes to float32 [N, 32, 32, 1], the label (if present) to int64 [N]."""
    outputs = {IMAGE_KEY: preprocess_images(decode_images(inputs[IMAGE_KEY]))}
    if LABEL_KEY in inputs:
        outputs[LABEL_KEY] = tf.reshape(inputs[LABEL_KEY], [-1])
    return outputs
