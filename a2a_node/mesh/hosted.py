"""The leaf for agents in the node's own process."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from a2a_node.agent import Agent, Context, Threads
from a2a_node.agent.running import left_by
from a2a_node.mesh import blocked
from a2a_node.mesh.blocked import Pace, Warn, Work
from a2a_node.mesh.lingering import Lingering
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentOverloaded, InternalError, NoInstance
from a2a_node.model.ports import Caller

MAX_CALLS = 1000
ConfigOf = Callable[[str], Mapping[str, object]]


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
        self._agents, self._mesh, self._max_calls = agents, mesh, max_calls
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

    def reaches(self, instance: Instance) -> bool:
        """Whether the agent runs here."""
        return instance.kind is InstanceKind.HOSTED and instance.agent in self._agents

    def load(self) -> int:
        """How many calls all agents here work on."""
        return self._in_flight.total()

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
            threads=self._threads[name],
            spending=call.spending,
        )
