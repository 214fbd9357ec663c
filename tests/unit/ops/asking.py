"""Capabilities of ops agents, called as their host calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import orjson
from pydantic import BaseModel, TypeAdapter

from a2a_node.agent import Agent, Context, Payload
from tests.unit.agent.asking import inputs

M = TypeVar("M", bound=BaseModel)


async def answer(
    agent: Agent, capability: str, said: Mapping[str, object], kind: type[M], context: Context | None = None
) -> M:
    """The one answer of a capability to an input, read as what it says that it answers."""
    answers: list[Payload] = []

    async def reply(payload: Payload) -> None:
        answers.append(payload)

    asked = Payload(orjson.dumps(said))
    await agent.serve(capability, context or Context("c1", agent.name), inputs(asked), reply)
    (one,) = answers
    assert isinstance(one.body, bytes)
    return TypeAdapter(kind).validate_json(one.body)
