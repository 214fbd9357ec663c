"""The calls of this node: those that run, to cancel or to continue, and those that ended lately."""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, time

from a2a_node.model.budget import Amounts, Spending
from a2a_node.model.call import Call, CallRecord, CallStatus, Proceed
from a2a_node.model.envelope import Envelope, handed_to
from a2a_node.model.errors import (
    CallCancelled,
    CallIdTaken,
    CallNotFound,
    CallTokenInvalid,
    DeadlineExceeded,
    InternalError,
    MeshError,
    NodeLost,
    bare,
)
from a2a_node.model.names import fresh_bits

CANCEL_SECONDS = 5.0
ALIKE = 256  # words for calls of which the same is said


@dataclass(slots=True, eq=False)
class _Running:
    """A call under way: its task, and what somebody has ended it with."""

    call: Call
    task: asyncio.Task[object]
    created_at: float  # seconds since the epoch
    failure: MeshError | None = None
    ended: asyncio.Event | None = None  # made for the first who waits


# what is said of a call: agent, capability, path, parent, root (empty for itself), what it used, whether it was carried
_Said = tuple[str, str, tuple[str, ...], str, str, Amounts | None, bool]
# what is remembered of an ended one, as small as it can be: when it began and ended, how, and what is said of it
_Ended = tuple[float, float, CallStatus, MeshError | None, _Said]


class Calls:
    """Running calls by id, and at most `remembered` ended ones, the oldest forgotten first."""

    def __init__(self, remembered: int = 4096) -> None:
        self._running: dict[str, _Running] = {}
        self._ended: OrderedDict[str, _Ended] = OrderedDict()
        self._remembered = remembered
        self._alike: dict[_Said, _Said] = {}

    async def track(self, call: Call, proceed: Proceed) -> None:
        """The layer: a call is known from here to its end; CallIdTaken for an id that is known already."""
        running = self._entered(call)
        call.token = f"{call.id}.{fresh_bits().hex()}"
        try:
            await proceed(call)
        except asyncio.CancelledError:
            failure = self._cancelled(running)
            if failure is None:
                raise
            raise failure from None
        except MeshError as error:
            self._left(running, CallStatus.FAILED, error)
            raise
        except Exception:
            self._left(running, CallStatus.FAILED, InternalError())
            raise
        self._left(running, CallStatus.SUCCEEDED, None)

    def parent_of(self, token: str) -> Envelope:
        """What the children of the running call that a token was given with continue; CallTokenInvalid without one."""
        running = self._running.get(token.partition(".")[0])
        if running is None or not hmac.compare_digest(running.call.token.encode(), token.encode()):
            raise CallTokenInvalid
        call = running.call
        if call.envelope is None:
            raise CallTokenInvalid
        return handed_to(call.agent, call.envelope, call.principal, call.scopes)

    def spending_of(self, call_id: str) -> Spending | None:
        """What the agent of a running call reports to use; None when it runs elsewhere, or without a budget."""
        running = self._running.get(call_id)
        return None if running is None else running.call.spending

    def get(self, call_id: str) -> CallRecord:
        """What is known of a call; CallNotFound."""
        running = self._running.get(call_id)
        if running is not None:
            return _running_record(running)
        try:
            return _ended_record(call_id, self._ended[call_id])
        except KeyError:
            raise CallNotFound(call_id) from None

    def begun_by(self, call_id: str) -> tuple[str, str] | None:
        """Who began a running call, and of which agent; None when none runs."""
        running = self._running.get(call_id)
        return None if running is None else (str(running.call.principal), running.call.agent)

    async def cancel(self, call_id: str, why: str) -> CallRecord:
        """End a running call and wait until it has ended; one that ended before stays as it is. CallNotFound."""
        running = self._running.get(call_id)
        if running is not None:
            self.stop(call_id, CallCancelled(call_id, why))
            async with asyncio.timeout(CANCEL_SECONDS):
                await _end_of(running)
        return self.get(call_id)

    def stop(self, call_id: str, failure: MeshError) -> bool:
        """End a running call with that failure, without waiting; the first failure counts. False when none runs."""
        running = self._running.get(call_id)
        if running is None:
            return False
        running.failure = running.failure or failure
        running.task.cancel()
        return True

    def hand_over(self, call_id: str) -> None:
        """The node whose agent works on a call goes on with it, and knows it better: end it here, if it has not."""
        running = self._running.get(call_id)
        if running is not None:
            if running.call.instance is not None:
                running.call.carrier = running.call.instance.node
            self.stop(call_id, NodeLost(call_id))
        elif call_id in self._ended:
            created_at, finished_at, status, error, said = self._ended[call_id]
            self._ended[call_id] = (created_at, finished_at, status, error, (*said[:-1], True))

    def calls(self) -> Sequence[Call]:
        """The calls under way."""
        return [running.call for running in self._running.values()]

    async def over(self, call_id: str) -> None:
        """Wait until a call has ended; not at all when none of that id runs."""
        running = self._running.get(call_id)
        if running is not None:
            await _end_of(running)

    def running(self) -> int:
        """How many calls are under way."""
        return len(self._running)

    def entered(self) -> int:
        """How many of those came into the mesh here, rather than from another node."""
        return sum(not running.call.carrier for running in self._running.values())

    def remembered(self) -> int:
        """How many ended calls are remembered."""
        return len(self._ended)

    async def idle(self) -> None:
        """Wait until no call is under way."""
        while self._running:
            await _end_of(next(iter(self._running.values())))

    async def idle_of(self, agent: str) -> None:
        """Wait until no call of an agent is under way."""
        while running := next((one for one in self._running.values() if one.call.agent == agent), None):
            await _end_of(running)

    def _entered(self, call: Call) -> _Running:
        if call.id in self._running or (call.id in self._ended and not call.carrier):
            raise CallIdTaken(call.id)  # another node may bring a call again that has failed here
        self._ended.pop(call.id, None)
        task = asyncio.current_task()
        if task is None:
            raise InternalError
        running = self._running[call.id] = _Running(call, task, time())
        return running

    def _cancelled(self, running: _Running) -> MeshError | None:
        """Who cancelled: `stop` (then the task goes on with an error), what it stood on, its deadline or client."""
        failure = running.failure
        if failure is not None:
            running.task.uncancel()
            status = CallStatus.CANCELLED if isinstance(failure, CallCancelled) else CallStatus.FAILED
            self._left(running, status, failure)
            return failure
        envelope, lost = running.call.envelope, running.call.ended_by
        if lost is not None:
            self._left(running, CallStatus.FAILED, lost)
        elif envelope is not None and not envelope.time_left(monotonic()):
            self._left(running, CallStatus.FAILED, DeadlineExceeded(envelope.allowance))
        else:
            self._left(running, CallStatus.CANCELLED, CallCancelled(running.call.id, "its client went away"))
        return None

    def _left(self, running: _Running, status: CallStatus, error: MeshError | None) -> None:
        call = running.call
        del self._running[call.id]
        self._ended[call.id] = (running.created_at, time(), status, error and bare(error), self._said(call))
        if len(self._ended) > self._remembered:
            self._ended.popitem(last=False)
        if running.ended is not None:
            running.ended.set()

    def _said(self, call: Call) -> _Said:
        """What is said of a call, in the same words as of the calls before it: 1 MB less for 4,096 of them."""
        said = _said(call)
        parent, used = said[3], said[5]
        if parent or used is not None:
            return said
        if len(self._alike) >= ALIKE:
            self._alike.clear()
        return self._alike.setdefault(said, said)


async def _end_of(running: _Running) -> None:
    if running.ended is None:
        running.ended = asyncio.Event()
    await running.ended.wait()


def _running_record(running: _Running) -> CallRecord:
    call = running.call
    return _ended_record(call.id, (running.created_at, 0.0, CallStatus.RUNNING, None, _said(call)))


def _said(call: Call) -> _Said:
    carried, envelope = call.carrier != "", call.envelope
    if envelope is None:
        return call.agent, call.capability, (), "", "", call.used, carried
    root = "" if envelope.root == call.id else envelope.root
    return call.agent, call.capability, envelope.path, envelope.parent, root, call.used, carried


def _ended_record(call_id: str, ended: _Ended) -> CallRecord:
    created_at, finished_at, status, error, said = ended
    agent, capability, path, parent, root, used, carried = said
    return CallRecord(
        id=call_id,
        agent=agent,
        capability=capability,
        status=status,
        path=path,
        parent=parent,
        root=root or call_id,
        created_at=datetime.fromtimestamp(created_at, UTC),
        finished_at=datetime.fromtimestamp(finished_at, UTC) if finished_at else None,
        error=error,
        used=used,
        carried=carried,
    )
