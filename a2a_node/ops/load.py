"""The agent `load`: calls another agent at a rate or side by side, and measures what that takes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from a2a_node.agent import Agent, Context
from a2a_node.model.errors import InvalidInput, MeshError
from a2a_node.ops.performance.loading import Measured, Plan, driven
from a2a_node.ops.workplace import Workplace

MARGIN = 1.0  # seconds that the call itself needs besides
PATIENCE = 5  # times the seconds that were asked for, where calls are slow
HOPELESS = ("NOT_FOUND", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNAUTHENTICATED")  # the same for every call


class Target(BaseModel):
    """What to call."""

    agent: Annotated[str, Field(pattern="^[a-z][a-z0-9_.-]{0,62}$", description="Whom to call.")]
    capability: Annotated[str, Field(max_length=63, description="What; absent: its only one.")] = ""
    input: Annotated[dict[str, JsonValue], Field(description="What to say each time.")] = {}


class Pace(BaseModel):
    """How fast to call, and how often at least."""

    rate: Annotated[
        float, Field(ge=0, le=500, description="Calls a second, however long they take; 0 means side by side.")
    ] = 0.0
    concurrency: Annotated[int, Field(ge=1, le=64, description="Calls at a time, without a rate.")] = 4
    least: Annotated[int, Field(ge=0, le=2_000, description="Calls that are waited for, up to 5 x `seconds`.")] = 0


def made(_: Workplace) -> Agent:
    """The agent; it writes nothing."""
    agent = Agent(
        "load",
        version="1.0.0",
        description="Calls another agent at a rate, or so many calls at a time, and measures what that takes.",
        category="operations",
        tags=("built-in", "ops"),
    )

    @agent.capability
    async def run(
        context: Context,
        target: Target,
        pace: Pace = Pace(),  # noqa: B008 - it is never changed
        seconds: Annotated[float, Field(gt=0, le=120, description="How long it is measured.")] = 5.0,
        warmup: Annotated[float, Field(ge=0, le=30, description="Seconds before that, which do not count.")] = 0.5,
    ) -> Measured:
        """Load an agent in the caller's name: the caller must be allowed to call it, and the caller's limits count."""
        left = context.time_left() - MARGIN
        if seconds + warmup > left:
            raise InvalidInput("input.seconds", f"{seconds + warmup:g} s of load do not fit into the {left:.1f} s left")

        async def shot() -> object:
            return await context.call(target.agent, target.capability, target.input)

        try:
            await shot()
        except MeshError as error:
            if error.code in HOPELESS:
                raise
        patience = min(PATIENCE * seconds, context.time_left() - MARGIN - seconds - warmup)
        return await driven(Plan(seconds, pace.rate, pace.concurrency, warmup, pace.least, max(0.0, patience)), shot)

    return agent
