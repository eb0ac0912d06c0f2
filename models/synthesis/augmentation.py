"""Augments training images so that they vary as people's pictures do. TensorFlow operations over a whole batch."""

from __future__ import annotations

import tensorflow as tf

MAX_ROTATION = 0.20
"""Rotation to either side in radians."""

MAX_SHEAR = 0.20
"""Horizontal shear to either side: slant as a share of the height."""

MAX_ZOOM = 0.12
"""Largest change of width and of height, drawn independently, to either side."""

MAX_SHIFT = 1.5
"""Shift to either side in pixels."""

MAX_THICKENING = 0.7
"""Weight of the image dilated by 3×3: marker and chalk."""

MAX_THINNING = 0.4
"""Weight of the image eroded by 3×3: pencil and fine pen."""


def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Varies slant, size, position and stroke width, each image by its own random amounts.

    One affine transform about the centre (rotation, shear, zoom, shift; bilinear), then a blend with the image dilated
    or eroded by 3×3. The affine part follows Simard et al., "Best Practices for Convolutional Neural Networks" (2003);
    stroke width varies with pens and markers.

    Args:
        images: float32 [N, S, S, 1] in 0..1, white ink on black.
        seed: integer [2]; the same seed and images give the same result (stateless random operations).

    Returns:
        float32 [N, S, S, 1] in 0..1.
    """
    count, size = tf.shape(images)[0], images.shape[1]
    # One draw per image and quantity, uniform in -1..1.
    draws = tf.unstack(tf.random.stateless_uniform([7, count], seed, minval=-1.0), axis=0)
    angle, shear, zoom_x, zoom_y, shift_x, shift_y, stroke = draws
    cos, sin = tf.cos(angle * MAX_ROTATION), tf.sin(angle * MAX_ROTATION)
    zoom_x, zoom_y = 1.0 + zoom_x * MAX_ZOOM, 1.0 + zoom_y * MAX_ZOOM
    a0, a1 = zoom_x * cos, zoom_x * (shear * MAX_SHEAR * cos - sin)
    b0, b1 = zoom_y * sin, zoom_y * (shear * MAX_SHEAR * sin + cos)
    centre = (size - 1) / 2
    a2 = centre * (1.0 - a0 - a1) + shift_x * MAX_SHIFT
    b2 = centre * (1.0 - b0 - b1) + shift_y * MAX_SHIFT
    nothing = tf.zeros_like(a0)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a0, a1, a2, b0, b1, b2, nothing, nothing], axis=1),
        output_shape=[size, size],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    # Pooling is several times faster with the batch in place of the channels.
    planes = tf.transpose(moved[..., 0], [1, 2, 0])[tf.newaxis]
    dilated = tf.nn.max_pool2d(planes, 3, 1, "SAME")
    eroded = -tf.nn.max_pool2d(-planes, 3, 1, "SAME")
    planes += tf.maximum(stroke, 0.0) * MAX_THICKENING * (dilated - planes)
    planes += tf.maximum(-stroke, 0.0) * MAX_THINNING * (eroded - planes)
    return tf.transpose(planes[0], [2, 0, 1])[..., tf.newaxis]
