"""How sure a share is, and whether two models that saw the same examples can be told apart."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
"""Two models are told apart where the adjusted p-value lies below this."""


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """The interval that holds the true share with 95 % confidence, given `right` of `total`; shares of 1.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927), without continuity correction.
    """
    interval = stats.binomtest(right, total).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact test, two-sided: are two models right equally often?

    Where both are, an example that only one of them reads right is as likely the one's as the other's: the count is
    binomial with one half (McNemar, 1947; Dietterich, Approximate Statistical Tests, 1998, section 3.1).

    Args:
        only_first: examples that only the first model reads right.
        only_second: examples that only the second one reads right.
    """
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being several (Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
