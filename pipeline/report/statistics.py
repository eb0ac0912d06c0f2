"""Confidence intervals, and tests whether two models differ significantly on the same examples."""

from __future__ import annotations

from collections.abc import Sequence

from statsmodels.stats.contingency_tables import mcnemar as mcnemar_test
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05  # two models differ significantly if the adjusted p-value is below this


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share, given `right` of `total`; each end from 0 to 1.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927), without continuity correction.
    """
    low, high = proportion_confint(right, total, alpha=1 - CONFIDENCE, method="wilson")
    return float(low), float(high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact two-sided test: are two models right equally often?

    The arguments count the examples that only the first, and only the second, classifies right.

    McNemar (1947); Dietterich, Approximate Statistical Tests (1998), section 3.1.
    """
    if not only_first + only_second:
        return 1.0
    return float(mcnemar_test([[0, only_first], [only_second, 0]], exact=True).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for multiple tests (Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979)."""
    return [float(p) for p in multipletests(p_values, SIGNIFICANCE, method="holm")[1]] if p_values else []
