"""Comparisons in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from pipeline.report.contents import Comparison, Recipe
from pipeline.report.statistics import SIGNIFICANCE


def told_apart(comparison: Comparison) -> bool:
    """Whether the difference is more than chance would make."""
    return comparison.adjusted_p < SIGNIFICANCE


def describe(comparison: Comparison) -> str:
    """One comparison as a sentence, with its figures."""
    verb = "beats" if told_apart(comparison) else "cannot be told apart from"
    counts = f"only the former reads {comparison.only_better:,} right, only the latter {comparison.only_worse:,}"
    verdict = f"{comparison.better} {verb} {comparison.worse}"
    return f"{verdict}: of the test images {counts} ({describe_p(comparison.adjusted_p)})."


def describe_p(p: float) -> str:
    """A p-value to two digits, without a string of zeros."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.995 else "p = 1"


def conclude(recipes: Sequence[Recipe], comparisons: Iterable[Comparison]) -> tuple[str, ...]:
    """The comparisons as few sentences: network against network, then epochs against epochs.

    Each takes together what is the same everywhere ("MyModel beats LeNet.") and otherwise says where what is the case
    ("At 10 epochs MyModel beats LeNet; at 40 epochs they cannot be told apart.").

    Where networks and epochs do not pair up so, there is a sentence for each comparison.
    """
    comparisons = tuple(comparisons)
    verdicts: dict[tuple[str, str], str | None] = {}  # pair of labels to the better one's, None if not told apart
    for comparison in comparisons:
        better = comparison.better if told_apart(comparison) else None
        verdicts[comparison.better, comparison.worse] = verdicts[comparison.worse, comparison.better] = better
    sentences = []
    for first, second in combinations(dict.fromkeys(recipe.model for recipe in recipes), 2):
        found = _verdicts(
            verdicts, recipes, lambda recipe: recipe.model, (first, second), lambda recipe: f"at {_epochs(recipe)}"
        )
        sentences += _sentence((first, second), ("beats", "beats"), found)
    for fewer, more in combinations(sorted({recipe.epochs for recipe in recipes}), 2):
        found = _verdicts(
            verdicts, recipes, lambda recipe: recipe.epochs, (fewer, more), lambda recipe: f"with {recipe.model}"
        )
        names = (f"{fewer} epoch" + "s" * (fewer > 1), f"{more} epochs")
        sentences += _sentence(names, ("beats" if fewer == 1 else "beat", "beat"), found, f"{fewer} and {more} epochs")
    if not sentences or len({(recipe.model, recipe.epochs) for recipe in recipes}) < len(recipes):
        return tuple(_plain(comparison) for comparison in comparisons)
    return tuple(sentences)


def _plain(comparison: Comparison) -> str:
    if told_apart(comparison):
        return f"{comparison.better} beats {comparison.worse}."
    return f"{comparison.better} and {comparison.worse} cannot be told apart."


def _epochs(recipe: Recipe) -> str:
    return f"{recipe.epochs} epoch" + "s" * (recipe.epochs > 1)


def _verdicts(
    verdicts: dict[tuple[str, str], str | None],
    recipes: Sequence[Recipe],
    side: Callable[[Recipe], object],
    sides: tuple[object, object],
    condition: Callable[[Recipe], str],
) -> dict[str, int | None]:
    """For each condition under which both sides were compared: which is better, 0 or 1, or None."""
    found: dict[str, int | None] = {}
    for one in recipes:
        for other in recipes:
            if (side(one), side(other)) == sides and condition(one) == condition(other):
                pair = one.label, other.label
                if pair in verdicts:
                    found[condition(one)] = None if verdicts[pair] is None else pair.index(str(verdicts[pair]))
    return found


def _sentence(
    names: tuple[str, str], verbs: tuple[str, str], found: dict[str, int | None], both: str = ""
) -> list[str]:
    """What was found, under whichever condition, as at most one sentence."""
    if not found:
        return []
    nobody = f"{both or ' and '.join(names)} cannot be told apart"

    def outcome(winner: int | None) -> str:
        return nobody if winner is None else f"{names[winner]} {verbs[winner]} {names[1 - winner]}"

    by_outcome: dict[str, list[str]] = {}
    for condition, winner in found.items():
        by_outcome.setdefault(outcome(winner), []).append(condition)
    if len(by_outcome) == 1:
        return [f"{next(iter(by_outcome))}."]
    parts = [f"{' and '.join(conditions)} {text}" for text, conditions in by_outcome.items()]
    return [f"{'; '.join(parts)[0].upper()}{'; '.join(parts)[1:]}."]
