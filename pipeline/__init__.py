"""The training pipeline: configuration, graph, runners and the command line."""
