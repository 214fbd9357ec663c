"""What hosted agents do to the mesh itself: each deed passes the same layers as the RPC that would do it.

So an agent never lends its caller a right: everybody in the chain of the call that it works on, and every key on the
way, must hold the RPC's permission, whoever is frozen is refused, and the audit records who it was done for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from a2a_node.model.call import Call, Proceed, Terms
from a2a_node.model.errors import InternalError, NodeDraining, PermissionDenied
from a2a_node.model.ops_ports import Deed
from a2a_node.model.principal import Principal
from a2a_node.tracing.context import current
from a2a_node.wire.calls import CALL_TOKEN

T = TypeVar("T")


class Deputy:
    """See `model.ops_ports.Deputy`; it opens once the layers are folded."""

    def __init__(self, node_id: str) -> None:
        self._principal = Principal("node", node_id)
        self._run: Proceed | None = None

    def opens(self, run: Proceed) -> None:
        """From now on deeds go through `run`, the folded incoming layers."""
        self._run = run

    async def act(self, deed: Deed, terms: Terms, work: Callable[[Principal], Awaitable[T]]) -> T:
        """Do the work if the call that the terms' token continues may do such a deed; see the port."""
        if self._run is None:
            raise NodeDraining(self._principal.name)
        if not terms.token:
            raise PermissionDenied(str(self._principal), deed.method, "it is done at work alone, with a call token")
        done: list[T] = []

        async def rest(call: Call) -> None:
            call.target = deed.target
            done.append(await work(_root(call)))

        await self._run(
            Call(
                method=deed.method,
                rest=rest,
                metadata={CALL_TOKEN: terms.token},
                peer_of=lambda: "inside",
                time_left=terms.time_left,
                principal=self._principal,
                trace=current(),
            )
        )
        return done[0]


def _root(call: Call) -> Principal:
    """In whose name the deed is done, in the end."""
    if call.envelope is None or not call.envelope.authority:
        raise InternalError
    return call.envelope.authority[0]
