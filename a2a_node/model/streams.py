"""Streams that resume: what is kept of a call and of its events, so that a lost reader can come back for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a2a_node.model.call import CallRecord, CallStatus
from a2a_node.model.errors import MeshError
from a2a_node.model.payload import Payload


@dataclass(frozen=True, slots=True)
class StreamHead:
    """What is kept of a call before its first event: what is called, and who began it."""

    id: str
    principal: str  # the only one that may read
    agent: str
    capability: str
    path: tuple[str, ...] = ()
    parent: str = ""
    root: str = ""
    unary: bool = False  # it has one output at most, which is told with how it ended


@dataclass(frozen=True, slots=True)
class StreamKey:
    """What a stream is begun under, once: whoever begins one under it later is told which call it stands for."""

    name: str
    digest: str  # of what was asked; another one under the same name is refused
    seconds: float  # that it is kept
    stale: str = ""  # the id of a call for which it counts as free: of all who found that so, one begins


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended."""

    status: CallStatus
    error: MeshError | None = None


@dataclass(frozen=True, slots=True)
class StreamWrite:
    """What the writer of a stream says at a time: events, the end, or nothing but that it lives."""

    id: str
    writer: str  # the mark that it was given when it began
    first: int = 1  # sequence of the first payload
    payloads: Sequence[Payload] = ()
    ending: Ending | None = None
    heir: str = ""  # who goes on with the stream when its writer is lost, and gets time for that; empty for nobody


@dataclass(frozen=True, slots=True)
class Claim:
    """What an heir says who would go on with a stream."""

    id: str
    writer: str  # the mark of the one that is lost
    heir: str  # the name that the writer knows it by
    successor: str  # the mark that it will write by
    first: int  # sequence of the oldest output that it still has, or would have next
    last: int  # sequence of the latest output; one below `first` when it has none


@dataclass(frozen=True, slots=True)
class Reading:
    """How others read a stream: the last sequence that anybody has, and whether somebody is there now."""

    position: int
    present: bool


FORGOTTEN = Reading(-1, present=False)  # of a stream that the store does not know (any more), for it lost what it knew


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One output of a call; sequences count from 1, without holes."""

    sequence: int
    payload: Payload


@dataclass(frozen=True, slots=True)
class StreamPart:
    """What was read of a stream: how its call stands, who began it, its last sequence, and events in order."""

    record: CallRecord
    principal: str
    last: int
    events: Sequence[StreamEvent]
    lease: float  # seconds until the writer is lost unless it is heard of; 0 when the call has ended
    unary: bool = False
