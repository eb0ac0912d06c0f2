"""The project's metadata stand in pyproject.toml; Beam's `--setup_file` and older tools ask for this file."""

from setuptools import setup

setup()
