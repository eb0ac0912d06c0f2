"""The pipeline's custom TFX components."""
