import tensorflow_model_analysis as tfma

from compat.tfma import CONFUSION_MATRIX, MultiClassConfusionMatrixAtThresholds, Options, PerSliceMetricThreshold


def test_the_plot_has_the_name_of_tfmas_metric():
    config = tfma.EvalConfig(model_specs=[tfma.ModelSpec()])
    metric = tfma.metrics.MultiClassConfusionMatrixPlot()

    names = {key.name for one in metric.computations(eval_config=config) for key in one.keys}

    assert CONFUSION_MATRIX in names


def test_the_message_has_a_matrix_by_threshold():
    message = MultiClassConfusionMatrixAtThresholds()
    entry = message.matrices.add(threshold=0.5).entries.add(actual_class_id=1, predicted_class_id=2)
    entry.num_weighted_examples = 3.0

    assert MultiClassConfusionMatrixAtThresholds.FromString(message.SerializeToString()) == message


def test_an_eval_config_takes_options_and_thresholds_by_slice():
    threshold = PerSliceMetricThreshold(
        slicing_specs=[tfma.SlicingSpec(feature_values={"label": "7"})],
        threshold=tfma.MetricThreshold(
            value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.9}),
        ),
    )
    metric = tfma.MetricConfig(class_name="Some", per_slice_thresholds=[threshold])
    config = tfma.EvalConfig(options=Options(), metrics_specs=[tfma.MetricsSpec(metrics=[metric])])

    assert tfma.EvalConfig.FromString(config.SerializeToString()) == config
