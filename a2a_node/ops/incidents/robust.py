"""Statistics that one wild value does not bend: medians and their deviation, and shares of small counts."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, erfc, sqrt
from statistics import median

TO_SIGMA = 1.4826  # of normal values, the standard deviation over the median absolute deviation
EXACT = 200  # calls in all up to which shares are compared exactly


def deviation(values: Sequence[float]) -> float:
    """The median absolute deviation, scaled to a standard deviation; 0 for no values."""
    if not values:
        return 0.0
    middle = median(values)
    return TO_SIGMA * median([abs(value - middle) for value in values])


def distance(value: float, values: Sequence[float], least: float) -> float:
    """How many deviations a value is above the median of others, which vary by `least` at least."""
    return (value - median(values)) / max(deviation(values), least)


def more_often(hits: int, of: int, hits_before: int, of_before: int) -> float:
    """How likely it is by chance alone that something is at least so much more frequent than before; 1 for no calls.

    Few calls are counted out exactly (Fisher), many by the normal distribution.
    """
    if not of or not of_before or not hits:
        return 1.0
    if of + of_before <= EXACT:
        return _exactly(hits, of, hits_before, of_before)
    share = (hits + hits_before) / (of + of_before)
    spread = sqrt(share * (1 - share) * (1 / of + 1 / of_before))
    if not spread:
        return 1.0
    return 0.5 * erfc((hits / of - hits_before / of_before) / spread / sqrt(2))


def denser(hits: int, span: float, hits_before: int, span_before: float) -> float:
    """How likely it is by chance alone that at least so many of all hits fall into a span of time; 1 for no spans.

    Hits that come whenever they come fall into a span by its share of the time: few are counted out exactly.
    """
    if span <= 0 or span_before <= 0 or not hits:
        return 1.0
    together, share = hits + hits_before, span / (span + span_before)
    if together > EXACT:
        return 0.5 * erfc((hits - together * share) / sqrt(together * share * (1 - share)) / sqrt(2))
    ways = ((comb(together, here), here) for here in range(hits, together + 1))
    return sum(count * share**here * (1 - share) ** (together - here) for count, here in ways)


def _exactly(hits: int, of: int, hits_before: int, of_before: int) -> float:
    together, whole = hits + hits_before, comb(of + of_before, hits + hits_before)
    most = min(together, of)
    ways = sum(comb(of, here) * comb(of_before, together - here) for here in range(hits, most + 1))
    return ways / whole
