"""The leaf for agents in the node's own process."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from a2a_node.agent import Agent, Context, Threads
from a2a_node.agent.running import left_by
from a2a_node.mesh import blocked
from a2a_node.mesh.blocked import Pace, Warn, Work
from a2a_node.mesh.lingering import Lingering
from a2a_node.model.agents import AgentDescriptor, Instance, InstanceKind
from a2a_node.model.call import Call, Reply
from a2a_node.model.call_ports import Caller
from a2a_node.model.errors import AgentHeld, AgentOverloaded, InternalError, NoInstance
from a2a_node.model.payload import Payload

MAX_CALLS = 1000
ConfigOf = Callable[[str], Mapping[str, object]]


class Serves(Protocol):
    """What can be hosted: an Agent, or whatever else does the work of calls."""

    name: str

    @property
    def descriptor(self) -> AgentDescriptor:
        """The agent as it introduces itself now."""

    async def serve(self, capability: str, context: Context, requests: AsyncIterator[Payload], reply: Reply) -> None:
        """Do the work of one call; any MeshError."""


class Hosted:
    """Agents that this process runs, by name. Each takes at most `max_calls` at a time and has threads of its own."""

    def __init__(
        self,
        agents: Mapping[str, Agent],
        mesh: Caller | None,
        *,
        config_of: ConfigOf | None = None,
        max_calls: int = MAX_CALLS,
        lingering: Lingering | None = None,
    ) -> None:
        """`config_of` tells an agent's configuration as the registry has it; without it agents have their own.

        `lingering` hears of work that outlives its call: that of plain functions, which cannot be interrupted.
        """
        self._lingering = Lingering() if lingering is None else lingering
        self._agents: dict[str, Serves] = dict(agents)
        self._mesh, self._max_calls = mesh, max_calls
        self._config_of: ConfigOf = config_of or (lambda name: agents[name].descriptor.config)
        self._threads = {name: Threads(f"agent-{name}") for name in agents}
        self._in_flight: Counter[str] = Counter()
        self._at_work: dict[asyncio.Task[object], Work] = {}

    @contextmanager
    def watching(
        self,
        loop: asyncio.AbstractEventLoop,
        warn: Warn = blocked.warned,
        pace: Pace = blocked.PACE,
    ) -> Iterator[None]:
        """Name agents that block the loop, until the block ends; the agents' threads end with it."""
        try:
            with blocked.watching(loop, self._at_work, warn, pace):
                yield
        finally:
            for threads in self._threads.values():
                threads.shutdown()

    @contextmanager
    def joined(self, agent: Serves) -> Iterator[None]:
        """Run another agent here until the block ends; AgentHeld while there is one of its name. It has no threads."""
        if agent.name in self._agents:
            raise AgentHeld(agent.name, ["this node"])
        self._agents[agent.name] = agent
        try:
            yield
        finally:
            del self._agents[agent.name]

    def reaches(self, instance: Instance) -> bool:
        """Whether the agent runs here."""
        return instance.kind is InstanceKind.HOSTED and instance.agent in self._agents

    def load(self) -> int:
        """How many calls all agents here work on."""
        return self._in_flight.total()

    def occupancy(self) -> float:
        """Of the agent that is closest to its bound: how much of it is used, from 0 to 1."""
        return max(self._in_flight.values(), default=0) / self._max_calls

    async def carry(self, call: Call, instance: Instance) -> None:
        """Run the call here; AgentOverloaded when the agent has as many as it takes, NoInstance when it is not here."""
        name, agent = instance.agent, self._agents.get(instance.agent)
        if agent is None:
            raise NoInstance(name)
        if self._in_flight[name] >= self._max_calls:
            raise AgentOverloaded(name, self._max_calls)
        context, task = self._context(name, call), asyncio.current_task()
        if task is None:
            raise InternalError
        outer = self._at_work.get(task)  # an agent may call another one in its own task
        self._at_work[task] = Work(name, call.capability)
        self._in_flight[name] += 1
        call.begun = True
        try:
            await agent.serve(call.capability, context, call.requests, call.reply)
        except asyncio.CancelledError:
            self._left(call, instance, context)
            raise
        finally:
            self._in_flight[name] -= 1
            self._back_to(task, outer)

    def _left(self, call: Call, instance: Instance, context: Context) -> None:
        """Note what a thread still does for a call that was cancelled."""
        left = left_by(context)
        if left is not None:
            remains = self._lingering.add(call, instance)
            left.add_done_callback(lambda _: self._lingering.settle(remains, over=True))

    def _back_to(self, task: asyncio.Task[object], outer: Work | None) -> None:
        if outer is None:
            del self._at_work[task]
        else:
            self._at_work[task] = outer

    def _context(self, name: str, call: Call) -> Context:
        if call.envelope is None:
            raise InternalError
        return Context(
            call_id=call.id,
            agent=name,
            path=call.envelope.path,
            deadline=call.envelope.deadline,
            token=call.token,
            config=self._config_of(name),
            mesh=self._mesh,
            threads=self._threads.get(name),
            spending=call.spending,
            unary=call.unary,
        )
