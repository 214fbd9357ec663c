"""What an endpoint is told with a call besides its messages, and what it says at the end of what it has used."""

from __future__ import annotations

from time import monotonic

import grpc

from a2a_node.model.budget import read, written
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentProtocol, InvalidInput
from a2a_node.tracing.context import Entries, carried_by
from a2a_node.wire.calls import BUDGET, CALL_ID, CALL_TOKEN, PATH, USED


def spent(trailing: grpc.aio.Metadata | None, call: Call) -> None:
    """What the trailing metadata of an RPC says was used; AgentProtocol for what makes no sense."""
    used = dict(trailing or ()).get(USED)
    if call.spending is None or used is None:
        return
    try:
        for unit, amount in read(str(used)).items():
            call.spending.spend(unit, amount)
    except InvalidInput as fault:
        raise AgentProtocol(call.agent, str(fault)) from None


def told(call: Call) -> Entries:
    """The metadata of a call: its token, by which the agent makes child calls, its path, its budget and its trace."""
    path = ",".join(call.envelope.path) if call.envelope else ""
    budget = written(call.spending.left()) if call.spending else ""
    entries = ((CALL_TOKEN, call.token), (CALL_ID, call.id), (PATH, path), (BUDGET, budget))
    return (*(entry for entry in entries if entry[1]), *carried_by(call))


def time_left(call: Call) -> float | None:
    """What is left, less what gRPC may round up on the wire, so that no hop gains time."""
    return None if call.envelope is None else max(0.0, call.envelope.time_left(monotonic()) * 0.99 - 0.001)
