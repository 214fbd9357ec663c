"""The promise, checked on what was recorded: no window holds more than the burst and the rate in its time."""

from __future__ import annotations

from collections.abc import Sequence

Moment = tuple[float, float]  # a call was admitted at some time between these two


def certain_excess(admitted: Sequence[Moment], rate: float) -> float:
    """The most that any window holds beyond the rate in its length; only calls that are surely inside of it count."""
    worst = 0.0
    by_end = sorted(admitted, key=lambda moment: moment[1])
    for begun, _ in admitted:
        count = 0
        for start, end in by_end:
            if start >= begun:
                count += 1
                worst = max(worst, count - rate * (end - begun))
    return worst
