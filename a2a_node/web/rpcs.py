"""The RPCs of the node's services for whoever comes in over HTTP, in the same layers as those over gRPC.

An RPC asked for here is a call like any other: the same questions tell what it is about, the folded layers decide, and
the service does what it does for gRPC.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import InternalError, MeshError

Write = Callable[[Message], Awaitable[None]]
Unary = Callable[[Message, Call], Awaitable[Message]]
Yields = Callable[[Message, Call], AsyncGenerator[Message, None]]
Writes = Callable[[Message, Call, Write], Awaitable[None]]
Requests = AsyncIterator[Message]
Talks = Callable[[Requests, Call, Write], Awaitable[None]]
Question = Callable[[Message | None, Call], None]
Result = TypeVar("Result")
OPENING_SECONDS = 10.0  # for the first message of a client that streams, where it says what is asked


class Service(Protocol):
    """A service of the contract: its descriptor, and a method in snake case for every RPC that it serves."""

    descriptor: ServiceDescriptor


def _nothing() -> None:
    """Nobody wants to hear that."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for an RPC: what was sent along, from where, and the seconds that are left for it."""

    metadata: Mapping[str, str] = field(repr=False)
    peer: str = ""
    time_left: float | None = None
    own: bool = False  # it is about a call of this very caller's
    admitted: Callable[[], None] = _nothing  # told once every layer has let a stream through


class Rpcs:
    """RPCs by their full names; `questions` tell the layers what is asked."""

    def __init__(self, run: Proceed, services: Sequence[Service], questions: Mapping[str, Question]) -> None:
        self._run, self._questions = run, questions
        self.methods: Mapping[str, MethodDescriptor] = {
            f"/{service.descriptor.full_name}/{method.name}": method
            for service in services
            for method in service.descriptor.methods
        }
        self._works = {
            f"/{service.descriptor.full_name}/{method.name}": _work(service, method.name)
            for service in services
            for method in service.descriptor.methods
        }

    async def ask(self, rpc: str, request: Message, asking: Asking) -> Message:
        """The answer of a unary RPC; any MeshError."""
        work, answers = cast("Unary | None", self._works[rpc]), list[Message]()

        async def rest(call: Call) -> None:
            if work is None:
                raise InternalError
            answers.append(await work(request, call))

        await self._run(self._call(rpc, rest, request, asking))
        return answers[0]

    async def stream(self, rpc: str, request: Message, asking: Asking, write: Write) -> None:
        """Write the answers of an RPC that streams them, until its end; any MeshError."""
        work = self._works[rpc]

        async def rest(call: Call) -> None:
            asking.admitted()
            if inspect.isasyncgenfunction(work):
                await _each(cast("Yields", work)(request, call), write)
            else:
                await cast("Writes", work)(request, call, write)

        await self._run(self._call(rpc, rest, request, asking))

    async def talk(self, rpc: str, requests: Requests, asking: Asking, write: Write) -> None:
        """Carry an RPC whose client streams, too, until its end; any MeshError, also one that `requests` raises."""
        work = cast("Talks | None", self._works[rpc])

        async def rest(call: Call) -> None:
            if work is None:
                raise InternalError
            asking.admitted()
            await work(requests, call, write)

        call, question = self._call(rpc, rest, None, asking), self._questions.get(rpc)
        if question is not None:
            try:
                question(await _opening(requests), call)
            except MeshError as failure:
                call.rest = _refusing(failure)
        await self._run(call)

    async def refuse(self, rpc: str, failure: MeshError, asking: Asking) -> None:
        """Say what is wrong with a request, once the layers know who asks; raises that, or what the layers say."""
        await self._run(self._call(rpc, _refusing(failure), None, asking))

    async def inside(self, method: str, asking: Asking, work: Callable[[], Awaitable[Result]]) -> Result:
        """What comes of work that is no RPC, done in the layers by the name of a method; any MeshError."""
        results = list[Result]()

        async def rest(_: Call) -> None:
            results.append(await work())

        metadata = asking.metadata
        await self._run(Call(method=method, rest=rest, metadata=metadata, peer_of=lambda: asking.peer))
        return results[0]

    def endless(self, rpc: str) -> bool:
        """Whether it is a stream that lives until somebody ends it, such as a watch."""
        return self.methods[rpc].server_streaming and rpc not in self._questions

    def _call(self, rpc: str, rest: Proceed, request: Message | None, asking: Asking) -> Call:
        call = Call(
            method=rpc,
            rest=rest,
            metadata=asking.metadata,
            peer_of=lambda: asking.peer,
            time_left=asking.time_left,
            endless=self.endless(rpc),
            own=asking.own,
        )
        if request is not None and (question := self._questions.get(rpc)) is not None:
            try:
                question(request, call)
            except MeshError as failure:
                call.rest = _refusing(failure)
        return call


def _refusing(failure: MeshError) -> Proceed:
    """What is wrong with a request is said once the layers know who asks."""

    async def rest(_: Call) -> None:
        raise failure

    return rest


async def _opening(requests: Requests) -> Message | None:
    """The first message, which names what is asked; None when there is none in time."""
    try:
        async with asyncio.timeout(OPENING_SECONDS):
            return await anext(requests)
    except (StopAsyncIteration, TimeoutError):
        return None


async def _each(replies: AsyncGenerator[Message, None], write: Write) -> None:
    async with aclosing(replies):
        async for reply in replies:
            await write(reply)


def _work(service: Service, name: str) -> object:
    return getattr(service, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), None)
