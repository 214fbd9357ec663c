"""The services that packages bring (health, reflection, channelz), served in the layers like our own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from a2a_node.core.server import Method, Route
from a2a_node.model.call import Call
from a2a_node.pipeline.auth import HEALTH, REFLECTION
from a2a_node.pipeline.rpcs import Aborted
from a2a_node.pipeline.shapes import Front, Rule, Work, Write, conversation, each, stream, unary

OF_AGENTS_TOO = (HEALTH, REFLECTION)  # what the node and agents both serve: who names an agent asks that one


def standard_handlers(register: Callable[[Any], None], front: Front) -> dict[str, Route]:
    """The handlers that a package's `register` adds to a server, in the layers."""
    collected = _Collected()
    register(collected)
    handlers = {name: _foreign(name, handler, front) for name, handler in collected.handlers.items()}
    return {
        name: front.passing(handler) if name.startswith(OF_AGENTS_TOO) else handler
        for name, handler in handlers.items()
    }


class _Collected:
    """Stands in for a server while a standard service adds itself."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Not needed: the same handlers come by name as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        self.handlers |= {f"/{service}/{name}": handler for name, handler in handlers.items()}


class _Context:
    """What standard services are told and may say beside their messages, by the names that grpc gives it."""

    def __init__(self, write: Write | None = None) -> None:
        self.write = write
        self._code, self._details = grpc.StatusCode.OK, ""

    async def abort(self, code: grpc.StatusCode, details: str = "") -> None:
        raise Aborted(code, details)

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def set_details(self, details: str) -> None:
        self._details = details

    def check(self) -> None:
        """Raise what was said to be wrong."""
        if self._code is not grpc.StatusCode.OK:
            raise Aborted(self._code, self._details)


def _foreign(name: str, handler: Any, front: Front) -> Method:
    """The handler of a standard service's RPC, whose work gets a context in place of the Call."""
    rule = Rule(name, front, handler.request_deserializer, handler.response_serializer)
    if handler.request_streaming:
        return conversation(rule, _talking(handler.stream_stream))
    if handler.response_streaming:
        return stream(rule, _talking(handler.unary_stream))

    async def work(request: Any, _: Call) -> Any:
        context = _Context()
        answer = await handler.unary_unary(request, context)
        context.check()
        return answer

    return unary(rule, work)


def _talking(behaviour: Work) -> Work:
    """The work of a standard service that yields its replies, or writes them by itself."""

    async def work(request: Any, _: Call, write: Write) -> None:
        context = _Context(write)
        result = behaviour(request, context)
        await (result if inspect.isawaitable(result) else each(result, write))
        context.check()

    return work
