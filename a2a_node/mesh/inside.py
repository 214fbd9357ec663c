"""Calls that hosted agents make: through the same layers as everybody's, without a socket in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from a2a_node.model.budget import checked_amounts
from a2a_node.model.call import Call, Once, Proceed, Reply, Terms
from a2a_node.model.errors import AgentProtocol, NodeDraining
from a2a_node.model.payload import Payload
from a2a_node.model.principal import Principal
from a2a_node.model.trace import BAGGAGE
from a2a_node.tracing.context import current, current_baggage
from a2a_node.wire.calls import CALL_TOKEN

METHOD = "/a2amesh.v1.AgentService/"
AHEAD = 16


class Inside:
    """The node's own Caller; it opens once the layers are folded."""

    def __init__(self, node_id: str, fresh: Callable[[], str]) -> None:
        """`fresh` makes the ids of the calls."""
        self._fresh = fresh
        self._principal = Principal("node", node_id)
        self._node_id = node_id
        self._run: Proceed | None = None
        self._rest: Proceed | None = None

    def opens(self, run: Proceed, rest: Proceed) -> None:
        """From now on calls go through `run`, the folded incoming layers, to `rest`, the folded outgoing ones."""
        self._run, self._rest = run, rest

    async def call(self, agent: str, capability: str, payload: Payload, terms: Terms) -> Payload:
        """The one output of a capability; any MeshError."""
        outputs: list[Payload] = []

        async def take(output: Payload) -> None:
            outputs.append(output)

        await self._go("Invoke", agent, capability, (payload, terms, take))
        if len(outputs) != 1:
            raise AgentProtocol(agent, f"it gave {len(outputs)} outputs to a unary call")
        return outputs[0]

    async def stream(self, agent: str, capability: str, payload: Payload, terms: Terms) -> AsyncIterator[Payload]:
        """The outputs of a capability, at most 16 ahead of the reader; any MeshError."""
        ahead: asyncio.Queue[Payload | None] = asyncio.Queue(AHEAD)

        async def work() -> None:
            try:
                await self._go("InvokeStream", agent, capability, (payload, terms, ahead.put))
            finally:
                await ahead.put(None)

        task = asyncio.create_task(work())
        try:
            while (output := await ahead.get()) is not None:
                yield output
            await task
        finally:
            task.cancel()
            while not task.done():
                with suppress(asyncio.QueueEmpty):
                    ahead.get_nowait()
                await asyncio.wait([task], timeout=0.05)

    async def _go(self, rpc: str, agent: str, capability: str, said: tuple[Payload, Terms, Reply]) -> None:
        payload, terms, reply = said
        if self._run is None or self._rest is None:
            raise NodeDraining(self._node_id)
        await self._run(
            Call(
                method=METHOD + rpc,
                rest=self._rest,
                metadata={
                    name: value for name, value in ((CALL_TOKEN, terms.token), (BAGGAGE, current_baggage())) if value
                },
                peer_of=lambda: "inside",
                time_left=terms.time_left,
                unary=rpc == "Invoke",
                id=self._fresh(),
                agent=agent,
                capability=capability,
                principal=self._principal,
                trace=current(),
                requests=Once(payload),
                reply=reply,
                reserve=terms.reserve and checked_amounts("reserve", terms.reserve),
            )
        )
