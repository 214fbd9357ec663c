"""The words of incidents: what deviates, what failed together, what is likely the cause, what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field

Text = Annotated[str, Field(max_length=500)]


class Severity(StrEnum):
    """How bad something is, in this order."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Deviation(BaseModel):
    """One figure, of the metrics or the log, that has left its baseline."""

    kind: Annotated[
        Literal["error_rate", "limited_rate", "latency", "memory", "log_errors"],
        Field(description="Shares of calls, seconds of a call, bytes of the process, or errors a minute in the log."),
    ]
    agent: Annotated[str, Field(description="Whose calls or lines; empty for the process.")] = ""
    capability: Annotated[str, Field(description="Which calls.")] = ""
    value: Annotated[float, Field(description="What it is now.")]
    baseline: Annotated[float, Field(description="What it was before.")]
    calls: Annotated[int, Field(description="How many calls it was seen on.")] = 0
    severity: Severity
    why: Annotated[str, Field(description="The numbers behind it.")] = ""


class Group(BaseModel):
    """Calls that failed alike, or lines of the log that say the same."""

    source: Literal["calls", "log", "audit"]
    what: Annotated[str, Field(description="The reason of the failures, or the message without its numbers.")]
    agent: str = ""
    capability: str = ""
    count: Annotated[int, Field(ge=1)]
    first: Annotated[float, Field(description="Seconds since the epoch.")]
    last: Annotated[float, Field(description="Seconds since the epoch.")]
    principal: Annotated[str, Field(description="Who is behind most of them.")] = ""
    principal_share: Annotated[float, Field(ge=0, le=1, description="Behind how many of them.")] = 0
    call_ids: Annotated[list[str], Field(description="Three of them at most, the newest.")] = []
    trace_ids: Annotated[list[str], Field(description="Three of them at most, the newest.")] = []


class Edge(BaseModel):
    """Calls from one agent to another, or from outside, in the window."""

    caller: Annotated[str, Field(description="The agent that called; empty for callers from outside.")]
    agent: str
    capability: str
    calls: int
    failed: Annotated[int, Field(description="Without those that were refused as too fast.")]
    seconds: Annotated[float, Field(description="All of them together.")]
    slow: Annotated[float, Field(description="Seconds below which 95 of 100 stayed.")]


class TracedCall(BaseModel):
    """One call of a trace, before those that it made."""

    call_id: str
    parent: Annotated[str, Field(description="The call that made it; empty where none is remembered.")] = ""
    depth: Annotated[int, Field(ge=0, description="How many calls of those remembered lead to it.")] = 0
    agent: str
    capability: str
    began: Annotated[float, Field(description="Seconds since the epoch.")]
    seconds: float
    reason: Annotated[str, Field(description="Why it failed; empty when it did not.")] = ""


class Trace(BaseModel):
    """The calls of one trace that are remembered, as a tree."""

    trace_id: str
    why: Annotated[Literal["failed", "slow"], Field(description="What it is an example of.")]
    calls: list[TracedCall]
    left_out: Annotated[int, Field(description="Calls that are remembered and not shown.")] = 0


class Place(BaseModel):
    """The calls of an agent that came to one copy of it."""

    agent: str
    instance: Annotated[str, Field(description="The id of the copy.")]
    calls: int
    failed: Annotated[int, Field(description="Without those that were refused as too fast.")]


class Remedy(BaseModel):
    """What can be done to the mesh against it; `none` where only people can help."""

    action: Literal["none", "disable_agent", "lower_limit", "drain_instance", "drain_node", "restart_server"] = "none"
    agent: Annotated[str, Field(max_length=63, description="Whom to disable or limit, or whose copy to drain.")] = ""
    capability: Annotated[str, Field(max_length=63, description="Whose calls to limit; empty for all.")] = ""
    principal: Annotated[str, Field(max_length=255, description="Whom to limit; empty for everybody.")] = ""
    rate: Annotated[float, Field(ge=0, le=1e6, description="Calls a second from now on.")] = 0
    burst: Annotated[int, Field(ge=0, le=1_000_000, description="Calls at once from now on.")] = 0
    instance: Annotated[str, Field(max_length=63, description="Which copy of the agent to drain, by its id.")] = ""
    node: Annotated[str, Field(max_length=63, description="Which node to drain.")] = ""
    server: Annotated[str, Field(max_length=63, description="Which MCP server to restart.")] = ""


class Cause(BaseModel):
    """What is likely behind it."""

    kind: Annotated[str, Field(description="For example `agent_failing` or `too_many_calls`.")]
    agent: str = ""
    capability: str = ""
    principal: str = ""
    confidence: Annotated[float, Field(ge=0, le=1, description="How much of the evidence it explains.")]
    why: Annotated[list[str], Field(description="The evidence, in sentences.")]
    remedy: Remedy = Remedy()


class Evidence(BaseModel):
    """What was gathered of a window of time."""

    since: float
    until: float
    calls: Annotated[int, Field(description="How many calls of agents ended, as far as they are kept.")] = 0
    groups: list[Group] = []
    edges: list[Edge] = []
    places: Annotated[list[Place], Field(description="Of agents of which calls failed: the copies that had them.")] = []
    traces: Annotated[list[Trace], Field(description="Examples of what failed and what took longest.")] = []
    left_out: Annotated[int, Field(description="Groups that are counted and not shown.")] = 0
    notes: Annotated[list[str], Field(description="What there was not to look at, and why.")] = []


def worst(deviations: Sequence[Deviation]) -> Severity:
    """How bad they are together."""
    order = list(Severity)
    return max((one.severity for one in deviations), key=order.index, default=Severity.NONE)
