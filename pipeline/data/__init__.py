"""MNIST: sources, checks, the folder it is kept in, the statistics page."""
