"""The call, and the one idea: a layer is a coroutine around the rest of the call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from a2a_node.model.agents import AgentCapability, Instance
from a2a_node.model.budget import Amounts, Spending
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import MeshError
from a2a_node.model.payload import Payload
from a2a_node.model.principal import NOBODY, Principal, Proof
from a2a_node.model.proxied import Proxied
from a2a_node.model.state import Gap
from a2a_node.model.trace import Trace
from a2a_node.model.warrants import StepOfRun

PEERS = "peers"  # the door that other nodes' calls come in at
Reply = Callable[[Payload], Awaitable[None]]


class Once:
    """A stream of one payload, or of none.

    Not an async generator: the event loop keeps books on each of those, and a reader that takes the one payload and
    leaves would have it closed by a task of its own.
    """

    __slots__ = ("payload",)

    def __init__(self, payload: Payload | None = None) -> None:
        self.payload = payload  # None once it was taken

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Payload:
        payload, self.payload = self.payload, None
        if payload is None:
            raise StopAsyncIteration
        return payload


class Listener:
    """Whether the client that began a call still hears it, for calls that go on when it does not."""

    __slots__ = ("_then", "gone")

    def __init__(self) -> None:
        self._then: Callable[[], object] | None = None
        self.gone = False

    def leave(self) -> None:
        """The client is gone."""
        self.gone = True
        if self._then is not None:
            self._then()

    def when_gone(self, then: Callable[[], object]) -> None:
        """Do this once the client is gone, which may be now."""
        self._then = then
        if self.gone:
            then()


class Keeping:
    """How what a call says is kept here, for the node that works on it and goes on with that when this one is lost."""

    __slots__ = ("_begun", "_given_up", "_kept", "_name", "_settled", "given", "heir", "writer")

    def __init__(self, writer: str, given_up: Callable[[], None], name: Callable[[], None]) -> None:
        """`given_up` is told that nothing more may be kept here, `name` that the heir is another one than before."""
        self._given_up, self._name, self._begun = given_up, name, False
        self.given = False  # to the heir, who learns it when the link ends
        self.writer = writer  # the mark by which this node keeps it; empty when it does not
        self.heir = ""  # the name of who goes on with it
        self._kept: Callable[[int], None] | None = None
        self._settled: Callable[[], None] | None = None

    def begin(self, heir: str, kept: Callable[[int], None], settled: Callable[[], None]) -> None:
        """Another node works on the call: tell it how many more outputs are kept, and once nothing is left to keep."""
        self.settle()
        self.heir, self._kept, self._settled = heir, kept, settled
        if self._begun:
            self._name()  # the store may know the one before
        self._begun = True

    def leave(self) -> None:
        """That node does not work on it any more; it waits for the end of the call."""
        self.heir, self._kept = "", None

    def kept(self, outputs: int) -> None:
        """So many more are kept, or nobody has to keep them."""
        if self._kept is not None:
            self._kept(outputs)

    def settle(self) -> None:
        """Nothing is left to keep."""
        settled, self._settled = self._settled, None
        if settled is not None and not self.given:
            settled()

    def end(self) -> None:
        """Nothing is kept here any more, and whoever kept it is let go: each would hold the other."""
        self.settle()
        self._given_up = self._name = _nobody

    def give(self) -> None:
        """Stop here: where there is an heir, leave the call and all that follows to it."""
        if self.heir:
            self.given = True
            self._given_up()


async def unheard(payload: Payload) -> None:
    """Where replies go that nobody reads."""


def _nobody() -> None:
    """Who keeps nothing any more, and need not be told to stop."""


async def untold(gap: Gap) -> None:
    """Where gaps are told that nobody hears of."""


@dataclass(slots=True, eq=False)
class Call:
    """One call on its way through the layers: what was asked, by whom, under which envelope, and both directions."""

    method: str  # the RPC's full name, for example "/a2amesh.v1.AgentService/Invoke"
    rest: Proceed  # what is done once every layer has let it through
    metadata: Mapping[str, str] = field(default_factory=dict)  # entries whose names end in `-bin` hold bytes
    peer_of: Callable[[], str] = str  # the caller's address, which costs something to ask for
    identities_of: Callable[[], Sequence[str]] = tuple  # URIs and DNS names that the caller's certificate proves
    door: str = ""  # where it came in: PEERS, or "engine" for that of the node's engine
    time_left: float | None = None  # seconds that the client's deadline leaves on arrival
    unary: bool = False  # exactly one output is wanted
    endless: bool = False  # a stream that lives until somebody ends it, such as a watch
    id: str = ""
    chosen: bool = False  # by its client
    agent: str = ""
    capability: str = ""
    version: str = ""  # of the agent, as the directory has it
    idempotency_key: str = ""
    payload_bytes: int = 0  # of the one input; 0 where inputs come as a stream
    principal: Principal = NOBODY
    scopes: tuple[str, ...] | None = None  # permissions that bound the caller's key; None where nothing bounds it
    proof: Proof | None = None  # what the caller has shown; None for calls from inside
    envelope: Envelope | None = None
    step: StepOfRun | None = None  # of which run it is a step
    carrier: str = ""  # id of the node that has handed it on, where the layers of that node let it through before
    offered: AgentCapability | None = None  # what the directory says of the capability
    instance: Instance | None = None  # who serves it
    token: str = ""  # what its agent sends back with child calls
    trace: Trace | None = None  # the span that is open now, or its caller's; None outside of traces
    budget: Amounts | None = None  # what its client would limit its tree to, by unit
    reserve: Amounts | None = None  # what its client expects it to use of its tree's budget
    spending: Spending | None = None  # what its agent reports to have used; None for a tree without a budget
    used: Amounts | None = None  # what it and its children have used of that in the end
    replayed: bool = False  # answered without an agent's work
    admitted: bool = False  # every layer has let it through
    changes: bool = True  # what its RPC can change; False once it turns out that this one has only looked
    target: str = ""  # what an RPC that calls no agent is about, for the audit, for example "session:s-1"
    begun: bool = False  # an agent may have begun to work on it
    cut: int = 0  # its number on the link that took it to its agent's node, and broke
    replied: bool = False  # something was said to the caller
    tried: tuple[str, ...] = ()  # ids of the instances that were tried before
    beside: bool = False  # a second try, while the first one is under way: nobody that was tried takes it
    wanted: str = ""  # id of the instance that its carrier has picked
    resumable: bool = False  # asked for as a stream whose events are kept
    ending: bool = False  # what is said now is most likely the last, and its end follows at once
    kept: bool = False  # its events are kept: a reader that is lost now can come back
    keeping: Keeping | None = None  # how they are; None for a call whose events die with this node
    ended_by: MeshError | None = None  # what it stood on has ended, such as a permission or a key, and it with that
    listener: Listener | None = None  # of a call that outlives its client; None where it ends with it
    about: str = ""  # the call that is asked about, or to be cancelled
    own: bool = False  # it is the caller's own
    proxied: Proxied | None = None  # it goes to a method of the agent's own, `capability`, as raw messages
    resumes: int | None = None  # the last sequence that a client has which reads on in the call `id`
    requests: AsyncIterator[Payload] = field(default_factory=Once)  # who is cancelled in waiting for one has taken none
    reply: Reply = unheard
    missed: Callable[[Gap], Awaitable[None]] = untold  # tells the client what of a stream is not kept any more

    @property
    def peer(self) -> str:
        """The caller's address, for example "ipv4:127.0.0.1:40712"."""
        return self.peer_of()


CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)  # the call that is worked on here, for logs


@dataclass(frozen=True, slots=True)
class Terms:
    """What an RPC goes with: the call token of the work that it is part of, how long it may take, what may be used."""

    token: str = ""
    time_left: float | None = None  # seconds
    reserve: Amounts | None = None  # of the budget of the tree that it is part of, by unit
    used: Amounts | None = None  # of that budget by the work itself so far, in all


Proceed = Callable[[Call], Awaitable[None]]
Layer = Callable[[Call, Proceed], Awaitable[None]]


def folded(layers: Sequence[Layer], leaf: Proceed) -> Proceed:
    """One coroutine of all the layers, the first outermost, around the leaf.

    A layer that does nothing once the rest is done hands that on rather than awaiting it, and so is no coroutine of its
    own: a call to another node passes half as many on its way there.
    """
    proceed = leaf
    for layer in reversed(layers):
        proceed = _around(layer, proceed)
    return proceed


def _around(layer: Layer, proceed: Proceed) -> Proceed:
    def around(call: Call) -> Awaitable[None]:  # no coroutine of its own, of which a call would pass ten
        return layer(call, proceed)

    return around


class CallStatus(StrEnum):
    """How a call stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What is remembered of a call."""

    id: str
    agent: str
    capability: str
    status: CallStatus
    path: tuple[str, ...]
    parent: str
    root: str
    created_at: datetime
    finished_at: datetime | None = None
    output: Payload | None = None
    error: MeshError | None = None
    used: Amounts | None = None  # by it and its children, of the budget of its tree
    carried: bool = False  # another node has brought it here, and knows it better
