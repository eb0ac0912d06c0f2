"""A real evaluation by TFMA, for tests of thresholds and of reading results."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from tfx_bsl.arrow import table_util

from pipeline.config import PipelineConfig
from pipeline.eval_config import create_eval_config

_CONFIDENCE = 0.91


def _predictions(labels, wrong):
    """Float32 rows of probabilities: 0.91 for the label, or for the next digit in the first `wrong[digit]` of each."""
    rows, left = [], dict(wrong)
    for label in labels:
        row = np.full(10, (1 - _CONFIDENCE) / 9, np.float32)
        is_wrong = left.get(label, 0) > 0
        left[label] = left.get(label, 0) - 1
        row[(label + is_wrong) % 10] = _CONFIDENCE
        rows.append(row)
    return rows


@pytest.fixture
def evaluate(tmp_path: Path):
    """Evaluates predictions on 100 examples, ten per digit, with thresholds, like the Evaluator.

    Takes the thresholds, the number of wrong answers by digit, the same for a baseline (if any), and digits without
    examples; returns the evaluation's folder, for read_evaluation.
    """

    def evaluate(thresholds, wrong, baseline_wrong=None, without=()):
        labels = [number % 10 for number in range(100) if number % 10 not in without]
        config = tfma.utils.update_eval_config_with_defaults(
            create_eval_config(thresholds), has_baseline=baseline_wrong is not None, rubber_stamp=True
        )
        images = [f"picture {number}".encode() for number in range(len(labels))]
        columns = {"image": images, "label": labels, "probabilities": _predictions(labels, wrong)}
        for spec in config.model_specs:
            if spec.is_baseline:
                spec.prediction_key = "baseline_probabilities"
                columns["baseline_probabilities"] = _predictions(labels, baseline_wrong)
        batch = table_util.CanonicalizeRecordBatch(pa.RecordBatch.from_pandas(pd.DataFrame(columns)))
        with beam.Pipeline(options=PipelineOptions(list(PipelineConfig.beam_args))) as pipeline:
            (
                pipeline
                | beam.Create([batch])
                | tfma.BatchedInputsToExtracts()
                # (with a baseline the default extractors need the models)
                | tfma.ExtractAndEvaluate(
                    extractors=[
                        tfma.extractors.FeaturesExtractor(config),
                        tfma.extractors.LabelsExtractor(config),
                        tfma.extractors.ExampleWeightsExtractor(config),
                        tfma.extractors.PredictionsExtractor(config),
                        tfma.extractors.UnbatchExtractor(),
                        tfma.extractors.SliceKeyExtractor(eval_config=config),
                    ],
                    evaluators=[tfma.evaluators.MetricsPlotsAndValidationsEvaluator(config)],
                )
                | tfma.WriteResults(tfma.default_writers(str(tmp_path / "evaluation"), eval_config=config))
            )
        return str(tmp_path / "evaluation")

    return evaluate
