"""Processes of their own: one protocol for all of them. Imports nothing of ours, and no TensorFlow."""
