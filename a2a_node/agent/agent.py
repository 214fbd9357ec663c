"""An agent: its functions, what the mesh is told of them, and how one call is run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TypeVar, Unpack, overload

import structlog

from a2a_node.agent.capability import Capability, capability_of
from a2a_node.agent.context import Context, current
from a2a_node.agent.options import Options
from a2a_node.agent.signature import Function
from a2a_node.model.agents import AgentDescriptor
from a2a_node.model.call import Reply
from a2a_node.model.errors import AgentFailed, InvalidInput, MeshError
from a2a_node.model.names import checked_name
from a2a_node.model.payload import Payload

F = TypeVar("F", bound=Function)
log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Agent:
    """A named callable with capabilities: functions whose type hints say what they take and answer, read by pydantic.

    `async def` runs on the loop, plain `def` in a thread; a generator streams its answers. A parameter
    `AsyncIterator[T]` hears the inputs of a conversation, a parameter `Context` gets the call's context. A result that
    is no JSON object is answered as `{"result": value}`, a streamed input that is none is sent as `{"item": value}`.
    """

    name: str
    _: KW_ONLY
    version: str = "0.0.0"
    description: str = ""
    category: str = "general"
    tags: Sequence[str] = ()
    config: Mapping[str, object] | None = None
    max_revisits: int = 0
    needs_call_token: bool = False
    _capabilities: dict[str, Capability] = field(default_factory=dict, init=False, repr=False)
    _descriptor: AgentDescriptor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        checked_name("agent.name", self.name)

    @overload
    def capability(self, function: F, /) -> F: ...

    @overload
    def capability(self, /, **options: Unpack[Options]) -> Callable[[F], F]: ...

    def capability(self, function: F | None = None, /, **options: Unpack[Options]) -> F | Callable[[F], F]:
        """Make a function a capability, and leave it as it is; InvalidInput says what cannot be one, and why."""

        def added(function: F) -> F:
            capability = capability_of(function, options)
            if capability.offered.name in self._capabilities:
                raise InvalidInput("agent.capabilities", f"{capability.offered.name!r} is there twice")
            self._capabilities[capability.offered.name] = capability
            self._descriptor = None
            return function

        return added if function is None else added(function)

    @property
    def descriptor(self) -> AgentDescriptor:
        """The agent as it introduces itself, checked; InvalidInput names the first field that is wrong."""
        if self._descriptor is None:
            self._descriptor = AgentDescriptor(
                name=self.name,
                version=self.version,
                description=self.description,
                category=self.category,
                tags=tuple(self.tags),
                capabilities=tuple(each.offered for each in self._capabilities.values()),
                config=dict(self.config or {}),
                max_revisits=self.max_revisits,
                needs_call_token=self.needs_call_token,
            ).checked()
        return self._descriptor

    async def serve(self, capability: str, context: Context, requests: AsyncIterator[Payload], reply: Reply) -> None:
        """Run one call, its capability named or the agent's only one.

        A MeshError passes, AgentRefused among them; all else that a function raises is logged and becomes AgentFailed.
        """
        found = self._found(capability)
        before = current.set(context)
        try:
            await found.run(context, requests, reply)
        except asyncio.CancelledError:
            context.cancelled.set()
            raise
        except MeshError:
            raise
        except (Exception, SystemExit) as error:  # an agent that calls `sys.exit` must not end its host
            name = found.offered.name
            log.exception("agent failed", agent=self.name, capability=name, call=context.call_id)
            raise AgentFailed(self.name, name) from error
        finally:
            current.reset(before)

    def _found(self, name: str) -> Capability:
        return self._capabilities.get(name) or self._capabilities[self.descriptor.capability(name).name]
