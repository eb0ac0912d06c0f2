"""MNIST: sources, checks, the data folder, the statistics page."""
