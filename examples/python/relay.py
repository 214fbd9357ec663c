"""The agent of these examples: it hands a text along a route of agents, in whichever languages they are written."""

from __future__ import annotations

from pydantic import BaseModel

from a2a_node.agent import Agent, Context


class Stop(BaseModel):
    """One agent that the text came by, and what it knew of the call there."""

    agent: str
    language: str
    path: list[str]
    seconds_left: float


class Passed(BaseModel):
    """The text at the end of the route, and every stop on the way."""

    text: str
    stops: list[Stop]


def relay_agent(name: str) -> Agent:
    """The agent under a name of its own."""
    agent = Agent(
        name, version="1.0.0", description="Hands a text along a route of agents.", category="example", tags=("python",)
    )

    @agent.capability
    async def relay(route: list[str], text: str, context: Context) -> Passed:
        """Hand the text to the next agent on the route and answer with everybody's stop."""
        here = Stop(agent=name, language="python", path=list(context.path), seconds_left=context.time_left())
        if not route:
            return Passed(text=text, stops=[here])
        # The context calls with the token, the path and the deadline of the call that this is part of.
        answer = Passed.model_validate(await context.call(route[0], "relay", {"route": route[1:], "text": text}))
        return Passed(text=answer.text, stops=[here, *answer.stops])

    return agent
