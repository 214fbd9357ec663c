"""How the engine reaches agents: through the own door that its node has for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import aclosing
from time import monotonic

from a2a_node.client.step_calls import StepCalls, StepRequest
from a2a_node.model.agents import RegisteredAgent
from a2a_node.model.errors import AgentProtocol, NoInstance
from a2a_node.model.registry_ports import Registry
from a2a_node.model.workflows import AgentCall
from a2a_node.workflows.walk_ports import Said, StepCall

MOST_CALLS = 256  # of all runs at once
FRESH = 2.0  # seconds that what the registry says is believed


class StepCaller:
    """The port `Caller` on the engine's door."""

    def __init__(self, calls: StepCalls, registry: Registry, node_id: str) -> None:
        self._calls, self._registry, self._node_id = calls, registry, node_id
        self._room = asyncio.Semaphore(MOST_CALLS)
        self._known: tuple[float, Sequence[RegisteredAgent]] = (0.0, ())

    @property
    def node_id(self) -> str:
        """The node that calls are made through."""
        return self._node_id

    async def chosen(self, work: AgentCall) -> tuple[str, str]:
        """Who is named, or any agent at work that offers the capability; NoInstance."""
        if work.agent:
            return work.agent, work.capability
        found = [
            agent.descriptor.name
            for agent in await self._agents()
            if agent.enabled
            and any(one.name == work.capability for one in agent.descriptor.capabilities)
            and (not work.tag or work.tag in agent.descriptor.tags)
        ]
        if not found:
            raise NoInstance(f"any agent that offers {work.capability}")
        return random.choice(found), work.capability  # noqa: S311 - no secret

    async def call(self, call: StepCall, said: Said) -> object:
        """The last output, after all others were told."""
        asked = StepRequest(
            call.agent,
            call.capability,
            dict(call.input),
            call.key,
            call.call_id,
            call.run.id,
            call.step_id,
            call.run.authority,
            call.seconds,
        )
        outputs: list[object] = []
        async with self._room, aclosing(self._calls.outputs(asked)) as stream:
            async for output in stream:
                if outputs:
                    await said(outputs.pop())
                outputs.append(output)
        if not outputs:
            raise AgentProtocol(call.agent, "it ended without an output")
        return outputs[0]

    async def _agents(self) -> Sequence[RegisteredAgent]:
        """The agents that have a running copy."""
        at, agents = self._known
        if monotonic() - at > FRESH:
            snapshot = await self._registry.snapshot()
            running = {instance.agent for instance in snapshot.instances}
            agents = [agent for agent in snapshot.agents if agent.descriptor.name in running]
            self._known = (monotonic(), agents)
        return agents
