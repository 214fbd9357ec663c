"""The breaker layer: what each call tells of the instance that served it, and no calls to one that does not work.

What opens a breaker is what the caller has no part in: the instance is lost, or breaks the rules of its protocol. An
agent that fails or refuses may do so because of what it was asked, so that costs it only its share of the calls. A link
that broke says nothing of the instances behind it.
"""

from __future__ import annotations

import asyncio
from time import monotonic

import structlog

from a2a_node.mesh.breaker import Breaker
from a2a_node.mesh.copies import Copies, Copy
from a2a_node.model.call import Call, Layer, Proceed, Reply
from a2a_node.model.errors import AgentLost, AgentProtocol, InternalError, MeshError, NoInstance
from a2a_node.model.payload import Payload
from a2a_node.wire.awake import Awake

log = structlog.get_logger()
ILL = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL")  # codes that cost an instance its share


def guard(copies: Copies, awake: Awake) -> Layer:
    """The layer; `balance` above asks the same copies who may be called. Nothing goes out until the node is awake."""

    async def layer(call: Call, proceed: Proceed) -> None:
        if call.instance is None:
            raise InternalError
        copy = copies.of(call.instance.id)
        if (seconds := awake.look()) > 0:
            await asyncio.sleep(seconds)
            if not copy.breaker.allows(monotonic()):  # since balance has picked it
                raise NoInstance(call.agent)
        begun, said = monotonic(), call.reply
        probe = copy.breaker.begin(begun)
        if probe:
            call.reply = _hearing(copy.breaker, probe, said)
        copy.score.in_flight += 1
        try:
            await proceed(call)
        except MeshError as failure:
            now = monotonic()
            copy.score.saw(now - begun, now, ill=failure.code in ILL and not call.cut)
            _learn(copies, copy, call, failure, probe)
            raise
        except BaseException:  # its caller went away, or waited long enough: that says how slow it is
            now = monotonic()
            copy.score.saw(now - begun, now)
            if probe:
                copy.breaker.let_go(now, probe=probe)
            raise
        finally:
            copy.score.in_flight -= 1
            call.reply = said
        now = monotonic()
        copy.score.saw(now - begun, now)
        copy.breaker.succeed(probe=probe)

    return layer


def _hearing(breaker: Breaker, probe: int, reply: Reply) -> Reply:
    """Replies of a probe: the first one says that the instance works, though the call may go on for long."""
    told = False

    async def hearing(payload: Payload) -> None:
        nonlocal told
        if not told:
            told = True
            breaker.succeed(probe=probe)
        await reply(payload)

    return hearing


def lost(failure: MeshError, call: Call) -> bool:
    """Whether the call's own instance was lost, rather than one that its agent has asked."""
    instance = call.instance.id if call.instance is not None else ""
    return isinstance(failure, AgentLost) and failure.variables.get("instance") == instance


def _learn(copies: Copies, copy: Copy, call: Call, failure: MeshError, probe: int) -> None:
    """What a failure says of the instance: nothing where the call never got there."""
    now, gone = monotonic(), lost(failure, call) and not call.cut
    if gone or isinstance(failure, AgentProtocol):
        if copy.breaker.fail(now, at_once=gone, probe=probe):
            copies.opened += 1
            instance = call.instance.id if call.instance is not None else ""
            log.warning("instance taken out for a while", agent=call.agent, instance=instance, reason=failure.reason)
    elif call.begun and not call.cut:
        copy.breaker.succeed(probe=probe)
    elif probe:
        copy.breaker.let_go(now, probe=probe)
