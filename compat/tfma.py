"""Names of TFMA that its top-level module does not export, and what would replace each."""

# The name by which TFMA's viewers find a confusion matrix: that of `tfma.metrics.MultiClassConfusionMatrixPlot`, which
# needs a second pass over the examples. A public constant would replace it.
from tensorflow_model_analysis.metrics.multi_class_confusion_matrix_plot import (
    MULTI_CLASS_CONFUSION_MATRIX_PLOT_NAME as CONFUSION_MATRIX,
)

# Parts of an EvalConfig, which `tfma` exports only up to 0.47; `tfma.EvalConfig` replaces them once it takes a dict.
from tensorflow_model_analysis.proto.config_pb2 import Options, PerSliceMetricThreshold

# The message type of this plot's value; `tfma.proto` replaces it once a release exports it.
from tensorflow_model_analysis.proto.metrics_for_slice_pb2 import MultiClassConfusionMatrixAtThresholds

__all__ = ["CONFUSION_MATRIX", "MultiClassConfusionMatrixAtThresholds", "Options", "PerSliceMetricThreshold"]
