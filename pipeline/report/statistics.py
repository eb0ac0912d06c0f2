"""How sure a share is, and whether two models that saw the same examples differ significantly."""

from __future__ import annotations

from collections.abc import Sequence

from statsmodels.stats.contingency_tables import mcnemar as mcnemar_test
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05  # two models differ significantly if the adjusted p-value is below this


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """The interval that holds the true share with 95 % confidence, given `right` of `total`; shares of 1.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927), without continuity correction.
    """
    low, high = proportion_confint(right, total, alpha=1 - CONFIDENCE, method="wilson")
    return float(low), float(high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact test, two-sided: are two models right equally often?

    Given how many examples only the one, and only the other, classifies right.

    McNemar (1947); Dietterich, Approximate Statistical Tests (1998), section 3.1.
    """
    if not only_first + only_second:
        return 1.0
    return float(mcnemar_test([[0, only_first], [only_second, 0]], exact=True).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being several (Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979)."""
    return [float(p) for p in multipletests(p_values, SIGNIFICANCE, method="holm")[1]] if p_values else []
