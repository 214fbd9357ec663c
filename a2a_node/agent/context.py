"""What an agent knows of the call that it works on, and how it calls others from there."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from dataclasses import dataclass, field

import orjson
from pydantic_core import to_jsonable_python

from a2a_node.model.budget import Amounts, Spending
from a2a_node.model.call import Terms
from a2a_node.model.call_ports import Caller
from a2a_node.model.errors import NoInstance
from a2a_node.model.payload import JSON, Payload


@dataclass(slots=True, eq=False)
class Context:
    """One call as its agent sees it. A child call made through it carries on the call's path, token and deadline."""

    call_id: str
    agent: str
    path: tuple[str, ...] = ()  # names of the agents on the way here, the root's first, this one last
    deadline: float = float("inf")  # on the monotonic clock of this process, seconds
    token: str = ""
    config: Mapping[str, object] = field(default_factory=dict)
    mesh: Caller | None = None
    threads: Executor | None = None  # where plain functions run; None means the loop's own
    spending: Spending | None = None  # of a call whose tree has a budget
    unary: bool = False  # its caller takes exactly one output
    in_thread: Future[object] | None = field(default=None, init=False, repr=False)  # what last ran in a thread
    _cancelled: threading.Event | None = field(default=None, init=False, repr=False)

    @property
    def cancelled(self) -> threading.Event:
        """Set once nobody waits for the call any more; for plain functions, which cannot be interrupted."""
        if self._cancelled is None:
            self._cancelled = threading.Event()
        return self._cancelled

    def time_left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def budget(self) -> Amounts:
        """What the call's tree had left by unit as the call began, less what was spent here; empty without a budget."""
        return {} if self.spending is None else self.spending.left()

    def spend(self, unit: str, amount: int) -> None:
        """Say that the work has used so much of its tree's budget, for example `spend("tokens", 120)`.

        It counts even beyond the budget, which then admits no more child calls; without a budget it means nothing.
        InvalidInput for an amount that is negative or over 10^15, and for a unit that is no name.
        """
        if self.spending is not None:
            self.spending.spend(unit, amount)

    def used(self) -> Amounts | None:
        """What was spent here so far by unit, in all; None without a budget."""
        return None if self.spending is None else self.spending.used()

    async def call(
        self,
        agent: str,
        capability: str = "",
        input: Mapping[str, object] | None = None,  # noqa: A002 - the contract's word
        reserve: Amounts | None = None,
    ) -> object:
        """The one output of another agent's capability, as `decoded` reads it; any MeshError.

        `reserve` is what it is expected to use of the budget, by unit, and is held back for it until it has ended.
        """
        return decoded(await self._mesh(agent).call(agent, capability, encoded(input), self._terms(reserve)))

    async def stream(
        self,
        agent: str,
        capability: str = "",
        input: Mapping[str, object] | None = None,  # noqa: A002 - the contract's word
        reserve: Amounts | None = None,
    ) -> AsyncGenerator[object, None]:
        """The outputs of another agent's capability, each as `decoded` reads it; any MeshError. `reserve` as above."""
        outputs = self._mesh(agent).stream(agent, capability, encoded(input), self._terms(reserve))
        try:
            async for output in outputs:
                yield decoded(output)
        finally:
            if isinstance(outputs, AsyncGenerator):
                await outputs.aclose()

    def _terms(self, reserve: Amounts | None) -> Terms:
        return Terms(self.token, self.time_left(), reserve, self.used())

    def _mesh(self, agent: str) -> Caller:
        if self.mesh is None:
            raise NoInstance(agent)
        return self.mesh


current: ContextVar[Context] = ContextVar("a2a_agent_context")
"""The context of the call that the running code works on; unset outside of agents."""


def encoded(said: Mapping[str, object] | None) -> Payload:
    """JSON bytes of an input object, in which pydantic models may stand; TypeError for what JSON cannot say."""
    return Payload(orjson.dumps(dict(said or {}), default=to_jsonable_python))


def decoded(payload: Payload) -> object:
    """The Python value of a payload: the object of a struct or of JSON bytes, else the text or the bytes themselves."""
    if isinstance(payload.body, bytes) and payload.media_type == JSON:
        value: object = orjson.loads(payload.body)
        return value
    return payload.body
