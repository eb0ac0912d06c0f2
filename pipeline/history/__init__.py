"""The history of runs, read from ML Metadata."""
