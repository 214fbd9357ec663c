"""The calls of a node: tracked, cancelled, continued, remembered."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from a2a_node.mesh.calls import Calls
from a2a_node.model.call import Call, CallStatus
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import (
    AgentFailed,
    CallCancelled,
    CallIdTaken,
    CallNotFound,
    CallTokenInvalid,
    PermissionDenied,
)


async def done(_: Call) -> None:
    """An agent that is done at once."""


async def for_ever(_: Call) -> None:
    """An agent that never ends."""
    await asyncio.Event().wait()


async def failing(_: Call) -> None:
    """An agent that fails."""
    raise AgentFailed("echo", "say")


def call(call_id: str = "c1") -> Call:
    """A call to echo with an hour left."""
    made = Call(method="/m", rest=done, id=call_id, agent="echo", capability="say")
    made.envelope = Envelope(monotonic() + 3600, 3600, path=("echo",), root=call_id, id=call_id)
    return made


async def test_an_ended_call_is_remembered_with_its_status() -> None:
    """SUCCEEDED and FAILED are told apart, and the error is kept."""
    calls = Calls()
    await calls.track(call("good"), done)
    with pytest.raises(AgentFailed):
        await calls.track(call("bad"), failing)
    assert calls.get("good").status is CallStatus.SUCCEEDED
    assert calls.get("bad").status is CallStatus.FAILED
    assert calls.get("bad").error is not None
    assert calls.running() == 0


async def test_a_remembered_failure_keeps_nothing_of_its_call() -> None:
    """Neither its frames nor what they hold, which may be large."""
    calls, failed = Calls(), call("bad")
    with pytest.raises(AgentFailed) as failure:
        await calls.track(failed, failing)
    kept = calls.get("bad").error
    assert kept is not None
    assert (kept.__traceback__, kept.__context__) == (None, None)
    assert (type(kept), kept.message, kept.variables) == (AgentFailed, failure.value.message, failure.value.variables)
    assert str(kept) == str(failure.value)


async def test_only_so_many_ended_calls_are_remembered() -> None:
    """The oldest is forgotten first."""
    calls = Calls(remembered=2)
    for name in ("a", "b", "c"):
        await calls.track(call(name), done)
    with pytest.raises(CallNotFound):
        calls.get("a")
    assert calls.get("c").status is CallStatus.SUCCEEDED


async def test_a_cancelled_call_ends_with_the_reason_given() -> None:
    """CancelCall waits until the call has ended, and its task goes on with the error."""
    calls = Calls()
    task = asyncio.create_task(calls.track(call(), for_ever))
    await asyncio.sleep(0)
    record = await calls.cancel("c1", "no longer needed")
    assert record.status is CallStatus.CANCELLED
    with pytest.raises(CallCancelled, match="no longer needed"):
        await task


async def test_cancelling_an_ended_call_changes_nothing() -> None:
    """It stays SUCCEEDED."""
    calls = Calls()
    await calls.track(call(), done)
    assert (await calls.cancel("c1", "late")).status is CallStatus.SUCCEEDED


async def test_a_client_that_goes_away_is_told_apart_from_a_deadline() -> None:
    """The first is CANCELLED, the second FAILED with DEADLINE_EXCEEDED."""
    calls = Calls()
    task = asyncio.create_task(calls.track(call("client"), for_ever))
    late = call("deadline")
    late.envelope = Envelope(monotonic() - 1, 1.0)
    other = asyncio.create_task(calls.track(late, for_ever))
    await asyncio.sleep(0)
    task.cancel()
    other.cancel()
    await asyncio.wait([task, other])
    assert calls.get("client").status is CallStatus.CANCELLED
    assert calls.get("deadline").status is CallStatus.FAILED


async def test_a_call_whose_permission_ended_tells_so() -> None:
    """It has failed, and nobody says that its client went away."""
    calls, ended = Calls(), PermissionDenied("person:bob", "agent:echo:invoke", "the grant that it stood on has ended")
    revoked = call("revoked")
    task = asyncio.create_task(calls.track(revoked, for_ever))
    await asyncio.sleep(0)
    revoked.ended_by = ended
    task.cancel()
    await asyncio.wait([task])
    record = calls.get("revoked")
    assert record.error is not None
    assert (record.status, record.error.message) == (CallStatus.FAILED, ended.message)


async def test_a_call_id_is_taken_once() -> None:
    """Running or remembered, it is refused."""
    calls = Calls()
    await calls.track(call(), done)
    with pytest.raises(CallIdTaken):
        await calls.track(call(), done)


async def test_a_token_is_good_while_its_call_runs_and_only_as_given() -> None:
    """Forged, damaged and late tokens are refused."""
    calls, seen = Calls(), call()

    async def at_work(inner: Call) -> None:
        assert calls.parent_of(inner.token).root == inner.id
        for bad in (inner.token[:-1] + "x", f"{inner.id}.", inner.id, "", "é.é"):
            with pytest.raises(CallTokenInvalid):
                calls.parent_of(bad)

    await calls.track(seen, at_work)
    with pytest.raises(CallTokenInvalid):
        calls.parent_of(seen.token)


async def test_idle_waits_for_the_last_call() -> None:
    """A drain can wait for what is under way."""
    calls = Calls()
    release = asyncio.Event()

    async def held(_: Call) -> None:
        await release.wait()

    task = asyncio.create_task(calls.track(call(), held))
    await asyncio.sleep(0)
    idle = asyncio.create_task(calls.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    release.set()
    await asyncio.gather(task, idle)
