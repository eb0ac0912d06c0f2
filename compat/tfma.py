"""Names of TFMA that its top-level module does not export; each with what replaces it."""

# The name under which TFMA's viewers look for a confusion matrix: that of `tfma.metrics.MultiClassConfusionMatrixPlot`,
# which computes it in a second pass over the examples; a public constant would replace it.
from tensorflow_model_analysis.metrics.multi_class_confusion_matrix_plot import (
    MULTI_CLASS_CONFUSION_MATRIX_PLOT_NAME as CONFUSION_MATRIX,
)

# Parts of an EvalConfig, which `tfma` exports up to 0.47 only; `tfma.EvalConfig` replaces them where it takes a dict.
from tensorflow_model_analysis.proto.config_pb2 import Options, PerSliceMetricThreshold

# The message that this plot's value is; `tfma.proto` replaces it where a release exports it.
from tensorflow_model_analysis.proto.metrics_for_slice_pb2 import MultiClassConfusionMatrixAtThresholds

__all__ = ["CONFUSION_MATRIX", "MultiClassConfusionMatrixAtThresholds", "Options", "PerSliceMetricThreshold"]
