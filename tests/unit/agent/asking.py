"""Calls to agents as their hosts make them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from a2a_node.agent import Agent, Context, Payload
from a2a_node.model.errors import InvalidInput
from a2a_node.model.payload import EMPTY


def words(text: str) -> Payload:
    """A text payload."""
    return Payload(text, "text/plain")


async def inputs(*said: Payload) -> AsyncIterator[Payload]:
    """The inputs of a call."""
    for payload in said:
        yield payload


async def asked(agent: Agent, *said: Payload, context: Context | None = None) -> list[Payload]:
    """The answers of the agent's only capability to these inputs, or to an empty one where there are none."""
    answers: list[Payload] = []

    async def reply(payload: Payload) -> None:
        answers.append(payload)

    await agent.serve("", context or Context("c1", agent.name), inputs(*(said or (EMPTY,))), reply)
    return answers


async def faults(agent: Agent, said: Payload) -> dict[str, str]:
    """What is wrong with an input, by field."""
    try:
        await asked(agent, said)
    except InvalidInput as error:
        return dict(error.violations)
    return {}
