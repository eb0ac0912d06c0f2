"""The Evaluator's metric, and how its result is read."""
