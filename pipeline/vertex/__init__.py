"""Runs the pipeline on Vertex AI."""
