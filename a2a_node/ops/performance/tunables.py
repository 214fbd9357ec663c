"""What can be changed while agents work, and within which bounds; everything else needs a restart, and is left alone.

| setting | changed by | bounds |
|---|---|---|
| `limit` of an agent's capability | the limits of the mesh, at once on every node | 1 to 10,000 calls a second |
| `config` of an agent | the registry, with the agent's next call | those that the agent declares itself |

An agent declares what may be tuned in its own config: `tunable: {batch: {least: 1, most: 64, towards: most}}`,
and with `where: encode` that the number governs functions of that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from a2a_node.model.agents import AgentDescriptor
from a2a_node.model.errors import InvalidInput
from a2a_node.model.limits import Limit, LimitSource
from a2a_node.ops.performance.evidence import NOTHING, Evidence
from a2a_node.ops.performance.loading import Measured

LEAST_LIMIT, MOST_LIMIT, MOST_BURST = 1.0, 10_000.0, 100_000  # calls a second, and at once
TOO_FAST, CROWDED = "RATE_LIMITED", 0.01  # share of the calls from which on a limit is in the way
WIDER = 4.0  # times the limit of before
TUNABLE = "tunable"
MOST = 10


class Bounds(BaseModel):
    """What an agent's author allows for one number of its config."""

    least: float
    most: float
    towards: Annotated[Literal["least", "most", "both"], Field(description="Where better values may lie.")] = "both"
    where: Annotated[str, Field(max_length=200, description="Part of the name of the function that it governs.")] = ""


class Change(BaseModel):
    """One change of one setting, and how it stood before."""

    setting: Literal["limit", "config"]
    agent: Annotated[str, Field(pattern="^[a-z][a-z0-9_.-]{0,62}$")]
    capability: Annotated[str, Field(max_length=63, description="Of a limit: whose.")] = ""
    name: Annotated[str, Field(max_length=63, description="Of a config: which number.")] = ""
    before: Annotated[float, Field(description="Calls a second, or the number.")]
    after: float
    burst_before: Annotated[int, Field(ge=0, description="Of a limit.")] = 0
    was_set: Annotated[bool, Field(description="Of a limit: whether somebody had set just this one.")] = False
    why: Annotated[str, Field(max_length=500)] = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be tuned."""

    agent: AgentDescriptor
    capability: str
    limit: Limit
    limit_is_exact: bool  # somebody has set a limit for just this capability


def proposed(
    subject: Subject, baseline: Measured, known: Evidence = NOTHING, below: Subject | None = None
) -> Sequence[Change]:
    """What could be changed, the likeliest to help first.

    First limits that are in the way; then the numbers of `below`, the agent that most of the time goes into, where
    there is one; then its own. Of these first the ones whose functions the profile shows most.
    """
    numbers = [*(_numbers(below, known) if below else ()), *_numbers(subject, known)]
    return [*_limits(subject, baseline), *numbers][:MOST]


def declared(config: Mapping[str, object]) -> Mapping[str, Bounds]:
    """The numbers of a config that may be tuned, by name; what is declared in another form is left out."""
    said, found = config.get(TUNABLE), {}
    for name, bounds in said.items() if isinstance(said, Mapping) else ():
        try:
            found[str(name)] = Bounds.model_validate(bounds)
        except ValidationError:
            continue
    return found


def checked(change: Change, config: Mapping[str, object]) -> Change:
    """The change itself; InvalidInput where it leaves its bounds, whoever proposed it."""
    if change.setting == "limit":
        bounds = Bounds(least=LEAST_LIMIT, most=MOST_LIMIT)
        if change.after < change.before:
            raise InvalidInput("input.change.after", "a limit is only made wider here; `monitor` lowers them")
    else:
        known = declared(config)
        if change.name not in known:
            raise InvalidInput("input.change.name", f"{change.agent!r} does not declare {change.name!r} as tunable")
        bounds = known[change.name]
    if not bounds.least <= change.after <= bounds.most:
        raise InvalidInput("input.change.after", f"{change.after:g} must be {bounds.least:g} to {bounds.most:g}")
    return change


def _limits(subject: Subject, baseline: Measured) -> Iterator[Change]:
    refused = baseline.errors.get(TOO_FAST, 0)
    now = subject.limit.rate
    if baseline.sample.calls and refused / baseline.sample.calls >= CROWDED and now.rate < MOST_LIMIT:
        yield Change(
            setting="limit",
            agent=subject.agent.name,
            capability=subject.capability,
            before=now.rate,
            after=min(MOST_LIMIT, max(LEAST_LIMIT, now.rate * WIDER)),
            burst_before=now.burst,
            was_set=subject.limit_is_exact and subject.limit.source is LimitSource.SET,
            why=f"{refused} of {baseline.sample.calls} calls were refused as too fast, at {now}",
        )


def _numbers(subject: Subject, known: Evidence) -> Iterator[Change]:
    ways = declared(subject.agent.config)
    for name, bounds in sorted(ways.items(), key=lambda way: (-known.share(way[1].where), way[0])):
        now = subject.agent.config.get(name)
        if not isinstance(now, int | float) or isinstance(now, bool):
            continue
        ends = {"least": (bounds.least,), "most": (bounds.most,), "both": (bounds.most, bounds.least)}[bounds.towards]
        for end in ends:
            after = _between(float(now), end)
            if after != now:
                yield Change(
                    setting="config",
                    agent=subject.agent.name,
                    name=name,
                    before=float(now),
                    after=after,
                    why=_why(bounds, known),
                )


def _why(bounds: Bounds, known: Evidence) -> str:
    said = f"the agent declares it tunable from {bounds.least:g} to {bounds.most:g}"
    if not bounds.where or not known.hottest:
        return said
    return f"{said}; {known.share(bounds.where):.0%} of the profile are within {bounds.where}"


def _between(now: float, end: float) -> float:
    """Half way to an end as ratios go, a whole number for whole ones; the end itself once that is near."""
    after = sqrt(now * end) if now > 0 and end > 0 else (now + end) / 2
    if now.is_integer() and end.is_integer():
        after = float(round(after))
    return end if after == now or abs(after - end) <= 0.1 * abs(end) else after
