"""Whether the mesh is well again after a remedy, by the calls that ended since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from a2a_node.model.tap import EndedCall
from a2a_node.ops.incidents.detecting import LEAST_DELAY, SLOWER
from a2a_node.ops.incidents.grouping import FAILED
from a2a_node.ops.incidents.remedies import expected
from a2a_node.ops.incidents.words import Deviation, Remedy

TOLERANCE = 0.05  # of the calls, that may fail beyond the baseline
KINDS = ("error_rate", "limited_rate", "latency")


class Judgement(BaseModel):
    """How one agent's capability stands after the remedy."""

    agent: str
    capability: str
    kind: str
    calls: Annotated[int, Field(description="That ended since, without those that the remedy refused.")]
    refused: Annotated[int, Field(description="By the remedy itself.")]
    value: Annotated[float, Field(description="Share of the calls that failed, or seconds of a call.")]
    baseline: float
    well: bool


class Verdict(BaseModel):
    """Whether the remedy has helped."""

    verdict: Literal["recovered", "still_failing", "no_traffic"]
    passed: Annotated[bool, Field(description="False while something still fails. Without calls nothing is known.")]
    judgements: list[Judgement]
    why: str


def judged(deviations: Sequence[Deviation], remedy: Remedy, calls: Sequence[EndedCall]) -> Verdict:
    """What the calls since the remedy say of each deviation; memory is no matter of calls."""
    found = [_judged(one, remedy, calls) for one in deviations if one.kind in KINDS]
    if any(not one.well for one in found):
        bad = [f"{one.agent}.{one.capability} ({one.kind} {one.value:g})" for one in found if not one.well]
        return Verdict(verdict="still_failing", passed=False, judgements=found, why=f"not well: {', '.join(bad)}")
    seen = sum(one.calls + one.refused for one in found)
    if not seen:
        return Verdict(verdict="no_traffic", passed=True, judgements=found, why="no call came that could tell")
    why = f"{seen} calls since, within the baseline or refused at once by the remedy"
    return Verdict(verdict="recovered", passed=True, judgements=found, why=why)


def _judged(one: Deviation, remedy: Remedy, calls: Sequence[EndedCall]) -> Judgement:
    mine = [call for call in calls if (call.agent, call.capability or one.capability) == (one.agent, one.capability)]
    refused = [call for call in mine if call.outcome in FAILED and call.reason in expected(remedy)]
    rest = [call for call in mine if call not in refused]
    if one.kind == "latency":
        value = sum(call.seconds for call in rest) / len(rest) if rest else 0.0
        well = value <= SLOWER * one.baseline or value - one.baseline < LEAST_DELAY
    else:
        value = sum(call.outcome in FAILED for call in rest) / len(rest) if rest else 0.0
        well = value <= one.baseline + TOLERANCE
    return Judgement(
        agent=one.agent,
        capability=one.capability,
        kind=one.kind,
        calls=len(rest),
        refused=len(refused),
        value=round(value, 6),
        baseline=one.baseline,
        well=well,
    )
