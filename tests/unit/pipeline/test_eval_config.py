"""Thresholds as TFMA applies them: each case is a real evaluation."""

import apache_beam as beam
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that
from factories import make_run, make_thresholds
from tfx_bsl.arrow import table_util

from components.evaluation.result import read_evaluation
from pipeline.config import PipelineConfig
from pipeline.eval_config import create_eval_config, custom_extractors
from pipeline.history.verdict import describe_problems

DEMANDS = make_thresholds(0.97, 0.9, 0.01)


def misses(result):
    return [(failure.digit, failure.is_change) for failure in result.failures]


@pytest.mark.parametrize(
    ("wrong", "baseline_wrong", "missed"),
    [
        ({6: 1, 7: 1, 8: 1}, None, []),
        ({6: 2}, None, [(6, False)]),
        ({6: 1, 7: 1, 8: 1, 9: 1}, None, [(None, False)]),
        ({6: 1, 7: 1, 8: 1}, {0: 1, 1: 1}, []),
        ({6: 1, 7: 1, 8: 1}, {0: 1}, [(None, True)]),
        ({6: 1}, {0: 1, 1: 1, 2: 1}, []),
        # All images of one digit wrong: only the overall baseline is compared.
        ({6: 2}, {0: 1, 1: 1}, [(6, False)]),
    ],
    ids=[
        "both met exactly: the digit's threshold does not bind the whole, nor the whole's a digit",
        "one digit missed",
        "the whole missed",
        "a drop met exactly",
        "a drop missed",
        "better than the baseline",
        "a digit far below the baseline's is no drop",
    ],
)
def test_a_model_is_blessed_if_it_meets_each_threshold_on_its_own_slice(evaluate, wrong, baseline_wrong, missed):
    result = read_evaluation(evaluate(DEMANDS, wrong, baseline_wrong))

    assert misses(result) == missed
    assert result.blessed == (not missed)


@pytest.mark.parametrize("baseline_wrong", [None, {}])
def test_a_digit_without_examples_does_not_meet_its_threshold(evaluate, baseline_wrong):
    result = read_evaluation(evaluate(DEMANDS, {}, baseline_wrong, without=[3, 8]))

    assert [(failure.digit, failure.value) for failure in result.failures] == [(3, None), (8, None)]
    assert [failure.bound for failure in result.failures] == [pytest.approx(0.9, abs=1e-5)] * 2
    assert not result.blessed
    assert describe_problems(make_run(**result.figures())) == [
        f"digit {digit}: no test image has this label, so --min-digit-accuracy 90.00% is not met; check the data"
        for digit in (3, 8)
    ]


def test_without_a_baseline_no_drop_is_checked(evaluate):
    result = read_evaluation(evaluate(make_thresholds(0, 0, 0), dict.fromkeys(range(10), 5)))

    assert result.blessed
    assert result.accuracy == pytest.approx(0.5)


def test_without_thresholds_there_are_figures_but_no_verdict(evaluate):
    result = read_evaluation(evaluate(None, {3: 4}))

    assert result.accuracy == pytest.approx(0.96)
    assert [misread.label for misread in result.misread] == [3] * 4
    assert not result.blessed
    assert result.failures == ()


@pytest.mark.parametrize(
    ("examples", "sizes"), [(300, [128, 128, 32, 8, 4]), (1000, [128] * 7 + [64, 32, 8]), (3, [2, 1])]
)
def test_models_are_given_batches_of_few_sizes_and_every_example_once(examples, sizes):
    images = [f"picture {number}".encode() for number in range(examples)]
    frame = pd.DataFrame({"image": images, "label": [number % 10 for number in range(examples)]})
    batch = table_util.CanonicalizeRecordBatch(pa.RecordBatch.from_pandas(frame))
    split, features, labels, *_ = custom_extractors(None, create_eval_config(None), None)

    def check(extracts):
        assert [len(batch[tfma.LABELS_KEY]) for batch in extracts] == sizes
        assert [image for batch in extracts for image in batch[tfma.FEATURES_KEY]["image"].ravel()] == images
        assert [label for batch in extracts for label in batch[tfma.LABELS_KEY].ravel()] == frame["label"].tolist()

    with beam.Pipeline(options=PipelineOptions(list(PipelineConfig.beam_args))) as pipeline:
        batches = pipeline | beam.Create([batch]) | tfma.BatchedInputsToExtracts()
        for extractor in (split, features, labels):
            batches = batches | extractor.stage_name >> extractor.ptransform
        assert_that(batches, check)
