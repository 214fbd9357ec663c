"""The layer of resumable streams: what an agent says is kept first and sent then, be its client there or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager

import structlog

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.stream import Stream, size_of
from a2a_node.mesh.writers import Writers
from a2a_node.model.call import Call, CallStatus, Layer, Proceed, Reply
from a2a_node.model.errors import (
    CallCancelled,
    CallIdTaken,
    CallNotFound,
    InternalError,
    MeshError,
    NodeLost,
    StreamNotFound,
)
from a2a_node.model.payload import Payload
from a2a_node.model.state import Gap
from a2a_node.model.streams import Ending, StreamEvent
from a2a_node.wire.payloads import check_size, passed_on

Read = Callable[[str, int], AsyncGenerator[StreamEvent | Gap, None]]
log = structlog.get_logger()


def resumable(writers: Writers, calls: Calls, read: Read, most: int | None = None) -> Layer:
    """The layer, for calls that outlive their client; it stands around the one that tracks calls.

    An output of more than `most` bytes is refused before it is kept, and its agent's call fails with PayloadTooLarge.

    When another node has taken a stream over, its client gets what follows by `read`, the events after a sequence.
    Calls with an idempotency key are kept as well, so that every node knows how they stand, whatever becomes of theirs.
    """

    def layer(call: Call, proceed: Proceed) -> Awaitable[None]:
        if call.listener is not None or call.keeping is not None:
            return kept(call, proceed)
        return _noted(call, proceed, writers, calls) if call.idempotency_key else proceed(call)

    async def kept(call: Call, proceed: Proceed) -> None:
        stream, reply = writers.begun(call) or await writers.begin(call), call.reply
        call.keeping = stream.keeping if stream.kept else None
        try:
            async with _sent(call, stream, (writers, calls), most):
                await _worked(call, proceed, stream, calls)
        except MeshError:
            if not (stream.taken and stream.heard):
                raise
        finally:
            writers.close(stream)
        if stream.taken and stream.heard:
            calls.hand_over(call.id)
            call.ending = False
            await _followed(call, read(call.id, stream.had), reply)

    return layer


async def _noted(call: Call, proceed: Proceed, writers: Writers, calls: Calls) -> None:
    """Keep how a unary call stands; one that is repeated under its id is known already."""
    try:
        stream = await writers.begin(call)
    except CallIdTaken:
        await proceed(call)
        return
    reply = call.reply

    async def said(payload: Payload) -> None:
        await stream.say(payload)
        await reply(payload)

    call.reply = said
    try:
        await _worked(call, proceed, stream, calls)
    finally:
        writers.close(stream)


async def _worked(call: Call, proceed: Proceed, stream: Stream, calls: Calls) -> None:
    """Let the agent work, and keep how that ended."""
    ending = Ending(CallStatus.SUCCEEDED)
    try:
        await proceed(call)
    except MeshError as error:
        ending = ended(error)
        raise
    except asyncio.CancelledError:
        ending = _cut(call, calls)
        raise
    except Exception:
        ending = ended(InternalError())
        raise
    finally:
        await stream.end(ending)


@asynccontextmanager
async def _sent(call: Call, stream: Stream, rooms: tuple[Writers, Calls], most: int | None) -> AsyncIterator[None]:
    """Send the client what is said, before a failure, too; raises why that failed where the call had ended by then."""
    writers, calls = rooms
    sending = asyncio.create_task(_send(call, stream, call.reply, calls))

    def gone() -> None:
        sending.cancel()
        writers.left(stream)

    async def said(payload: Payload) -> None:
        _check(payload, most)
        await stream.say(payload)

    call.reply = said
    if call.listener is not None:
        call.listener.when_gone(gone)
    try:
        yield
    except Exception:
        await asyncio.wait([sending])
        raise
    else:
        await asyncio.wait([sending])
        if not sending.cancelled() and (unsent := sending.result()) is not None:
            raise unsent
    finally:
        sending.cancel()


async def _followed(call: Call, events: AsyncGenerator[StreamEvent | Gap, None], reply: Reply) -> None:
    """Send the client what another node keeps now, as long as the client is there; NodeLost when none does."""

    async def send() -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Gap):
                        raise NodeLost(call.id)
                    await reply(event.payload)
        except StreamNotFound:
            raise NodeLost(call.id) from None

    await while_heard(call, send())


async def while_heard(call: Call, work: Coroutine[None, None, None]) -> None:
    """Do something for the client of a call, for as long as that is there."""
    sending = asyncio.create_task(work)
    if call.listener is not None:
        call.listener.when_gone(sending.cancel)
    try:
        await asyncio.wait([sending])
    finally:
        sending.cancel()
    if not sending.cancelled():
        sending.result()


async def _send(call: Call, stream: Stream, reply: Reply, calls: Calls) -> MeshError | None:
    """Send what is said; why that cannot be, when it is too late to end the call with it."""

    async def told(payload: Payload) -> None:
        call.kept, call.ending = stream.kept or stream.taken, stream.ends
        await reply(payload)

    try:
        await stream.send(told)
    except MeshError as failure:  # an output that cannot be sent
        return None if calls.stop(call.id, failure) else failure
    except Exception as failure:  # noqa: BLE001 - the connection broke before anybody was told that the client is gone
        log.info("a client went away in the middle of a write", call_id=call.id, failure=repr(failure))
        if call.listener is not None:
            call.listener.leave()
    return None


def _check(payload: Payload, most: int | None) -> None:
    """PayloadTooLarge for what no client would be sent; only what may be so is made a message for it."""
    if most is not None and size_of(payload) > most:
        check_size(passed_on(payload), most)


def ended(error: MeshError) -> Ending:
    """The end of a call that failed so."""
    return Ending(CallStatus.CANCELLED if isinstance(error, CallCancelled) else CallStatus.FAILED, error)


def _cut(call: Call, calls: Calls) -> Ending:
    """The end of a call whose task was cancelled: its deadline, or a node that stops."""
    try:
        record = calls.get(call.id)
    except CallNotFound:
        return ended(CallCancelled(call.id, "its node stopped"))
    if record.error is None:
        return ended(CallCancelled(call.id, "its node stopped"))
    return Ending(record.status, record.error)
