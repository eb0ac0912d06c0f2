"""The Evaluator's metric, and reading its result."""
