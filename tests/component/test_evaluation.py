"""DigitMetrics in TFX's Evaluator, on a real model and real examples."""

import numpy as np
import pytest
from tfx.types import standard_artifacts as artifacts

from components.evaluation.metrics import image_digest
from components.evaluation.result import read_evaluation
from components.mnist_example_gen.executor import encode_pngs
from serving_bot.reading.classifier import Classifier


def test_the_evaluators_counts_match_the_bots_classifier(tiny_run, some_test_images):
    result = read_evaluation(tiny_run.artifact("Evaluator", "evaluation", artifacts.ModelEvaluation).uri)
    images, labels = some_test_images
    model = tiny_run.artifact("Trainer", "model", artifacts.Model)
    probabilities = Classifier.load(f"{model.uri}/Format-Serving").predict(images)

    answers = probabilities.argmax(axis=1)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (labels, answers), 1)
    assert result.confusion == tuple(map(tuple, confusion.tolist()))
    assert result.accuracy == pytest.approx((answers == labels).mean())
    assert result.loss == pytest.approx(-np.log(probabilities[np.arange(len(labels)), labels]).mean(), rel=1e-3)
    wrong = {image_digest(png) for png, right in zip(encode_pngs(images), answers == labels, strict=True) if not right}
    assert {misread.digest for misread in result.misread} == wrong
    assert 0 < len(wrong) < 300
