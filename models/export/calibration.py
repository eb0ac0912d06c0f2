"""How a network's probabilities are calibrated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """The temperature T that makes softmax(logits / T) best calibrated: least negative log-likelihood.

    Temperature scaling of Guo et al., On Calibration of Modern Neural Networks (2017), section 4.2.

    Args:
        logits: float32 [N, 10] on examples the model was not trained on.
        labels: int64 [N].
    """

    def loss(temperature: float) -> float:
        log_probabilities = tf.nn.log_softmax(logits / temperature).numpy()
        return float(-log_probabilities[np.arange(len(labels)), labels].mean())

    candidates = np.geomspace(0.25, 4.0, 161)
    return float(candidates[int(np.argmin([loss(t) for t in candidates]))])
