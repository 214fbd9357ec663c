"""Agents whose calls are traced: hosted, attached or with an address of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from a2a_node.agent import Agent, AgentRefused, Context

agent, back = Agent("front", version="1.0.0"), Agent("back")
begun = asyncio.Event()


@agent.capability
async def ask(others: list[str], text: str, context: Context) -> object:
    """Ask the next one, or answer."""
    return await context.call(others[0], "ask", {"others": others[1:], "text": text}) if others else text


@back.capability(name="ask")
async def answer(others: list[str], text: str) -> str:
    """The end of a route."""
    assert not others
    return text


@agent.capability(cache="60s")
async def kept(text: str) -> str:
    """An answer that is kept in Redis."""
    return text


@agent.capability
async def count(numbers: int) -> AsyncIterator[int]:
    """So many answers."""
    for number in range(numbers):
        yield number


@agent.capability
async def wait() -> str:
    """Wait for ever."""
    begun.set()
    await asyncio.Event().wait()
    return ""


@agent.capability
async def refuse(why: str) -> str:
    """Refuse with words that nobody should record."""
    raise AgentRefused(why, reason="NOT_TODAY", code="FAILED_PRECONDITION")


@agent.capability
async def fail(why: str) -> str:
    """Fail with words that nobody should record."""
    raise ValueError(why)
