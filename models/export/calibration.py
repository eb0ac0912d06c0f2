"""Calibrates a network's probabilities and chooses the threshold above which it answers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

NON_DIGITS = 0.1  # share of pictures without a digit among those that the threshold is chosen for
RISK = 0.01  # share of all pictures that may get a confident wrong answer


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """The temperature T that calibrates softmax(logits / T) best: least negative log-likelihood.

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


def choose_threshold(
    digits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], outliers: npt.NDArray[np.float64]
) -> float:
    """The lowest probability at which the model answers, so that at most `RISK` of all pictures get a wrong answer.

    The point on the risk-coverage curve of El-Yaniv and Wiener, On the Foundations of Noise-free Selective
    Classification (2010), for a mixture of digits and, one in ten, other pictures.

    Args:
        digits: calibrated probabilities [N, 10] of digits the model was not trained on.
        labels: int64 [N], their classes.
        outliers: calibrated probabilities [M, 10] of non-digit images.

    Returns:
        In 0.1..0.999; 0.999 if no threshold keeps the risk.
    """
    best, wrong, other = digits.max(axis=1), digits.argmax(axis=1) != labels, outliers.max(axis=1)
    for threshold in np.arange(0.1, 0.999, 0.001):
        risk = (1 - NON_DIGITS) * (wrong & (best >= threshold)).mean() + NON_DIGITS * (other >= threshold).mean()
        if risk <= RISK:
            return round(float(threshold), 3)
    return 0.999
