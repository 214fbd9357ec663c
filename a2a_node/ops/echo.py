"""The agent that a fresh node hosts, so that the first call needs no code: it answers, streams and fails as asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from a2a_node.agent import Agent, AgentRefused

agent = Agent(
    "echo",
    version="1.0.0",
    description="Answers what it is told, streams numbers and fails as asked: to try a node and to test clients.",
    category="diagnostics",
    tags=("built-in", "example"),
)

AMPLE = "100000/s burst 100000"  # it is there to be tried, and measured

Code = Literal[
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]


class Said(BaseModel):
    """What was said."""

    text: Annotated[str, Field(description="The text of the input.")]


class Number(BaseModel):
    """One of the numbers."""

    number: Annotated[int, Field(description="Counts from 1.")]


@agent.capability(idempotent=True, limit=AMPLE)
async def say(text: Annotated[str, Field(description="What to answer.")] = "") -> Said:
    """Answer the input."""
    return Said(text=text)


@agent.capability(idempotent=True, limit=AMPLE)
async def count(
    n: Annotated[int, Field(ge=0, le=100_000, description="How many numbers.")] = 10,
    delay_ms: Annotated[int, Field(ge=0, le=60_000, description="Milliseconds between two numbers.")] = 0,
) -> AsyncIterator[Number]:
    """Stream the numbers from 1 to n, the first at once."""
    for number in range(1, n + 1):
        if delay_ms and number > 1:
            await asyncio.sleep(delay_ms / 1000)
        yield Number(number=number)


@agent.capability(limit=AMPLE)
async def fail(
    code: Annotated[Code, Field(description="The gRPC code to fail with.")] = "FAILED_PRECONDITION",
    reason: Annotated[
        str, Field(pattern="^[A-Z][A-Z0-9_]{0,62}$", description="The reason to give.")
    ] = "AGENT_REFUSED",
    message: Annotated[str, Field(max_length=1000, description="The message to give.")] = "failed as asked",
    *,
    crash: Annotated[
        bool, Field(description="Raise an error without a name instead, as a broken agent would.")
    ] = False,
) -> None:
    """Fail as asked."""
    if crash:
        raise RuntimeError("crashed as asked")
    raise AgentRefused(message, code=code, reason=reason)
