"""Whether one set of measurements is better than another one, or only looks so by chance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import erfc, sqrt
from statistics import median
from typing import Annotated

from pydantic import BaseModel, Field

UNLIKELY = 0.01  # by chance
WORTH = 0.05  # of the median, or of the calls: smaller gains are not worth a change
LEAST = 20  # measurements on each side


class Comparison(BaseModel):
    """What two measurements say of each other."""

    keep: Annotated[bool, Field(description="Whether the second one is better, surely and by enough.")]
    gain: Annotated[float, Field(description="How much lower the median is now, as a share of what it was.")]
    chance: Annotated[float, Field(ge=0, le=1, description="How likely such a gain is by chance (Mann-Whitney).")]
    failed_before: Annotated[float, Field(ge=0, le=1, description="Share of the calls that failed.")]
    failed_after: Annotated[float, Field(ge=0, le=1)]
    why: str


class Sample(BaseModel):
    """What load has measured."""

    milliseconds: Annotated[list[float], Field(max_length=2_000, description="Of calls that succeeded.")]
    calls: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]


def lower(now: Sequence[float], before: Sequence[float]) -> float:
    """How likely it is by chance alone that values are so much lower than those before: Mann-Whitney, one-sided.

    By the normal distribution, corrected for ties and continuity; it fits from about 20 values on each side.
    """
    if not now or not before:
        return 1.0
    ranks, ties = _ranks([*now, *before])
    size, other = len(now), len(before)
    whole = size + other
    wins = sum(ranks[:size]) - size * (size + 1) / 2  # how often a value of now is above one of before
    spread = sqrt(size * other / 12 * ((whole + 1) - ties / (whole * (whole - 1)))) if whole > 1 else 0.0
    if not spread:
        return 1.0
    return 0.5 * erfc(-(wins + 0.5 - size * other / 2) / spread / sqrt(2))


def compared(before: Sample, after: Sample) -> Comparison:
    """Whether to keep what was changed between two measurements.

    Fewer failures count first; times count only where as many calls succeed as before.
    """
    shares = [sample.failed / sample.calls if sample.calls else 0.0 for sample in (before, after)]
    fewer, more = _rarer(after, before), _rarer(before, after)
    chance, gain = lower(after.milliseconds, before.milliseconds), _gain(before, after)
    if min(before.calls, after.calls) < LEAST:
        keep, why = False, f"fewer than {LEAST} calls on one side prove nothing"
    elif shares[1] > shares[0] and more < UNLIKELY:
        keep, why = False, "more calls fail than before"
    elif shares[0] - shares[1] >= WORTH and fewer < UNLIKELY:
        keep, why = True, f"{shares[1]:.1%} of the calls fail, where {shares[0]:.1%} did"
    elif min(len(before.milliseconds), len(after.milliseconds)) < LEAST:
        keep, why = False, f"fewer than {LEAST} calls succeeded on one side"
    else:
        keep = chance < UNLIKELY and gain >= WORTH
        why = f"the median is {gain:+.1%} lower; chance alone does so with p = {chance:.2g}"
    return Comparison(
        keep=keep,
        gain=round(gain, 4),
        chance=chance,
        failed_before=round(shares[0], 4),
        failed_after=round(shares[1], 4),
        why=why,
    )


def _gain(before: Sample, after: Sample) -> float:
    if not before.milliseconds or not after.milliseconds:
        return 0.0
    usual = median(before.milliseconds)
    return (usual - median(after.milliseconds)) / usual if usual else 0.0


def _rarer(now: Sample, before: Sample) -> float:
    """How likely it is by chance alone that so many fewer calls fail."""
    if not now.calls or not before.calls:
        return 1.0
    share = (now.failed + before.failed) / (now.calls + before.calls)
    spread = sqrt(share * (1 - share) * (1 / now.calls + 1 / before.calls))
    if not spread:
        return 1.0
    return 0.5 * erfc((before.failed / before.calls - now.failed / now.calls) / spread / sqrt(2))


def _ranks(values: Sequence[float]) -> tuple[Sequence[float], float]:
    """The rank of each value from 1, equal ones sharing theirs; and the sum of t³ - t over groups of t equal ones."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties, place = [0.0] * len(values), 0.0, 0
    for _, alike in groupby(order, key=values.__getitem__):
        group = list(alike)
        for index in group:
            ranks[index] = place + (len(group) + 1) / 2
        place += len(group)
        ties += len(group) ** 3 - len(group)
    return ranks, ties
