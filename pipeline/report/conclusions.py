"""Describes comparisons in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from pipeline.report.contents import Comparison, Recipe
from pipeline.report.statistics import SIGNIFICANCE


def is_significant(comparison: Comparison) -> bool:
    """Whether the difference is significant."""
    return comparison.adjusted_p < SIGNIFICANCE


def describe(comparison: Comparison) -> str:
    """One comparison as a sentence, with its figures."""
    verb = "beats" if is_significant(comparison) else "is not significantly different from"
    verdict = f"{comparison.better} {verb} {comparison.worse}"
    counts = (
        f"{comparison.only_better:,} are correct only with the former, {comparison.only_worse:,} only with the latter"
    )
    return f"{verdict}: of the test images {counts} ({describe_p(comparison.adjusted_p)})."


def describe_p(p: float) -> str:
    """A p-value to two digits, without many zeros."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.995 else "p = 1"


def conclude(recipes: Sequence[Recipe], comparisons: Iterable[Comparison]) -> tuple[str, ...]:
    """The comparisons in a few sentences: network against network, then epochs against epochs.

    A sentence merges equal outcomes ("MyModel beats LeNet.") and otherwise names the conditions ("At 10 epochs MyModel
    beats LeNet; at 40 epochs they do not differ significantly.").

    If networks and epochs do not pair up like this, there is a sentence for each comparison.
    """
    comparisons = tuple(comparisons)
    by_pair = {frozenset((comparison.better, comparison.worse)): comparison for comparison in comparisons}
    models = list(dict.fromkeys(recipe.model for recipe in recipes))
    networks: dict[tuple[str, str], dict[str, list[str]]] = {}  # pair of networks -> outcome -> conditions
    epochs: dict[tuple[int, int], dict[str, list[str]]] = {}
    for pair in combinations(sorted(recipes, key=lambda recipe: (models.index(recipe.model), recipe.epochs)), 2):
        one, other = pair
        comparison = by_pair.get(frozenset((one.label, other.label)))
        if comparison is None or (one.model != other.model and one.epochs != other.epochs):
            continue
        winner, loser = pair if comparison.better == one.label else (other, one)
        if one.model != other.model:
            found, condition = networks.setdefault((one.model, other.model), {}), f"at {_epochs(one)}"
            outcome = f"{winner.model} beats {loser.model}"
            nobody = f"{one.model} and {other.model}"
        else:
            found, condition = epochs.setdefault((one.epochs, other.epochs), {}), f"with {one.model}"
            outcome = f"{_epochs(winner)} {'beats' if winner.epochs == 1 else 'beat'} {_epochs(loser)}"
            nobody = f"{one.epochs} and {other.epochs} epochs"
        outcome = outcome if is_significant(comparison) else f"{nobody} do not differ significantly"
        found.setdefault(outcome, []).append(condition)
    sentences = [_sentence(found) for found in (*networks.values(), *(epochs[key] for key in sorted(epochs)))]
    if not sentences or len({(recipe.model, recipe.epochs) for recipe in recipes}) < len(recipes):
        return tuple(_plain(comparison) for comparison in comparisons)
    return tuple(sentences)


def _plain(comparison: Comparison) -> str:
    if is_significant(comparison):
        return f"{comparison.better} beats {comparison.worse}."
    return f"{comparison.better} and {comparison.worse} do not differ significantly."


def _epochs(recipe: Recipe) -> str:
    return f"{recipe.epochs} epoch" + "s" * (recipe.epochs > 1)


def _sentence(conditions: Mapping[str, Sequence[str]]) -> str:
    """The outcome, with its conditions if it is not the same everywhere."""
    if len(conditions) == 1:
        return f"{next(iter(conditions))}."
    text = "; ".join(f"{' and '.join(where)} {outcome}" for outcome, where in conditions.items())
    return f"{text[0].upper()}{text[1:]}."
