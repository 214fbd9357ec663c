"""The server: several doors, one pump, a task for every RPC, and an end that leaves none behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from a2a_node.core.completions import Arrivals
from a2a_node.core.library import Credentials, Event, Options, Queue, Tag, new_queue, new_server, of_credentials
from a2a_node.core.pump import Pump, whole
from a2a_node.core.rpc import CANCELLED, INTERNAL, UNAVAILABLE, Rpc

log = structlog.get_logger()
ALONE = ("grpc.so_reuseport", 0)  # a port that somebody listens on is an error, not to be shared
WAITING = 128  # RPCs that are asked for in advance, at each door
LEAVING = 1.0  # seconds that connections without RPCs get to end
STUBBORN = 5.0  # seconds that cancelled tasks get to end
SPARED = 0.01  # seconds, twice at most, until an RPC of one request hears that its client left: most end before


@dataclass(frozen=True, slots=True)
class Door:
    """Where the server listens: an address, whose port 0 means a free one, and how its callers prove themselves."""

    address: str
    credentials: Credentials | None = None  # as grpc.ssl_server_credentials makes them; None without TLS
    name: str = ""  # what RPCs that come in here are told of it, such as "peers" for the door of other nodes


@dataclass(frozen=True, slots=True)
class Unary:
    """What serves an RPC whose request is one message."""

    serve: Callable[[Rpc, bytes], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class Stream:
    """What serves an RPC whose request is a stream of messages."""

    serve: Callable[[Rpc], Coroutine[None, None, None]]
    plain: bool = False  # its initial metadata say nothing, and may be sent by the server itself


@dataclass(frozen=True, slots=True)
class Choice:
    """What serves an RPC where its method alone does not say so."""

    of: Callable[[Rpc], Unary | Stream]


Method = Unary | Stream
Route = Method | Choice


@dataclass(frozen=True, slots=True)
class Routes:
    """What serves each method, by its full name such as "/package.Service/Method", and what serves all others."""

    methods: Mapping[str, Route]
    others: Route


@asynccontextmanager
async def serving(
    doors: Sequence[Door], routes: Routes, options: Options = (), grace: float = 0.0
) -> AsyncIterator[tuple[int, ...]]:
    """Serve until the block ends, then let running RPCs end for `grace` seconds; yields the port of each door.

    OSError when a door's address cannot be listened on. What serves an RPC ends it; where it does not, the RPC ends OK
    when it returns, CANCELLED when it is cancelled, and INTERNAL, without a word of it, when it fails. Who is cancelled
    in the grace has no more of it, and who is cancelled later waits all the same until nothing is left.
    """
    queue, work = new_queue(), _Work(routes)
    pump = Pump(Arrivals(queue, work.mark))
    try:
        listeners = [_Listener(door, (queue, pump), work, options) for door in doors]
        for listener in listeners:
            listener.open()
        try:
            yield tuple(listener.port for listener in listeners)
        finally:
            for listener in listeners:
                listener.close()
            try:
                await work.over(grace)
            finally:
                work.refuse()
                await whole(_leave(listeners, work))
                work.close()
    finally:
        await pump.stop()


async def _leave(listeners: Sequence[_Listener], work: _Work) -> None:
    """Cancel what still runs, and wait until nothing is begun any more and the C core has let go of everything."""
    if work.running:
        for listener in listeners:
            listener.cancel()
        await work.over(STUBBORN)
        work.abandon()
    for listener in listeners:
        await listener.gone()


class _Listener:
    """One door: a server of the C core, so that its RPCs are known by it."""

    def __init__(self, door: Door, pumped: tuple[Queue, Pump], work: _Work, options: Options) -> None:
        self._door = door.name
        (self._queue, self._pump), self._work = pumped, work
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._core = new_server((*options, ALONE), False)  # noqa: FBT003 - whether it is configured by xDS
        self._core.register_completion_queue(self._queue)
        self._open = False
        self.port = self._core.add_http2_port(door.address.encode(), of_credentials(door.credentials))
        if not self.port:
            raise OSError(f"{door.address} cannot be listened on")

    def open(self) -> None:
        """Take RPCs."""
        self._core.start()
        self._open = True
        for _ in range(WAITING):
            self._request()

    def close(self) -> None:
        """Take no more RPCs."""
        self._open = False
        self._core.shutdown(self._queue, self._shut)

    def cancel(self) -> None:
        """Cancel the RPCs that still run."""
        self._core.cancel_all_calls()

    async def gone(self) -> None:
        """Wait until the C core has let go of everything; connections that do not end in time are cut."""
        await asyncio.wait((self._gone,), timeout=LEAVING)
        self._core.cancel_all_calls()
        await self._gone
        self._core.destroy()

    def _request(self) -> None:
        self._core.request_call(self._queue, self._queue, self._arrived)

    def _arrived(self, event: Event) -> None:
        if self._open:
            self._request()
        if event.success:
            self._work.begin(Rpc(event, self._door, self._work.end), self._pump)

    def _shut(self, _: Event) -> None:
        self._gone.set_result(None)


class _Work:
    """The RPCs that run, each in a task of its own."""

    def __init__(self, routes: Routes) -> None:
        self._methods, self._others = routes.methods, routes.others
        self._loop = asyncio.get_running_loop()
        self._running: set[Rpc] = set()
        self._refuses = False
        self._young: list[Rpc] = []  # not watched yet, nor those that came in the span before
        self._old: list[Rpc] = []
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None  # for whoever waits until none is left

    @property
    def running(self) -> bool:
        """Whether any has not ended."""
        return bool(self._running)

    def begin(self, rpc: Rpc, pump: Pump) -> None:
        """Serve an RPC that has arrived, or refuse it."""
        if self._refuses:
            rpc.end(UNAVAILABLE, "the server is ending")
            rpc.abandon()
            return
        self._running.add(rpc)
        route = self._methods.get(rpc.method, self._others)
        method = route.of(rpc) if isinstance(route, Choice) else route
        if isinstance(method, Stream):
            rpc.plain = method.plain
            self._serve(rpc, method.serve(rpc))
            pump.soon(rpc.watch)  # the end of its messages is told from its leaving
            return
        serve = method.serve

        def received(event: Event) -> None:
            message = event.batch_operations[0].message()
            if rpc.over:  # it was let go of meanwhile
                return
            if message is None:
                rpc.end(INTERNAL, "the request's message is missing")
                return
            self._serve(rpc, serve(rpc, message))
            self._watch_later(rpc)

        rpc.open(received)

    def mark(self, tag: Tag) -> bool:
        """Begin a batch of nothing, whose tag comes behind all that is complete; False while no RPC runs."""
        rpc = next(iter(self._running), None)
        return rpc is not None and rpc.mark(tag)

    def end(self, rpc: Rpc) -> None:
        """The C core has let go of an RPC."""
        self._running.discard(rpc)
        if self._emptied is not None and not self._running:
            self._emptied.set_result(None)
            self._emptied = None

    async def over(self, seconds: float) -> None:
        """Wait so long for all of them to end."""
        if self._running:
            emptied = self._emptied = self._emptied or self._loop.create_future()
            await asyncio.wait((emptied,), timeout=seconds)

    def refuse(self) -> None:
        """Serve none that is still to arrive."""
        self._refuses = True

    def abandon(self) -> None:
        """Let go of those whose tasks do not end when they are cancelled, so that nothing is begun on any."""
        if self._running:
            log.error("calls that do not end were abandoned", methods=sorted({rpc.method for rpc in self._running}))
        for rpc in self._running:
            rpc.abandon()

    def close(self) -> None:
        """Watch none any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._young, self._old = [], []

    def _serve(self, rpc: Rpc, work: Coroutine[None, None, None]) -> None:
        """Begin the task; it can be cancelled only after its first step, so that it always sees its own end."""
        rpc.task = self._loop.create_task(_served(rpc, work))

    def _watch_later(self, rpc: Rpc) -> None:
        self._young.append(rpc)
        if self._timer is None:
            self._timer = self._loop.call_later(SPARED, self._watch)

    def _watch(self) -> None:
        """Hear of the clients of those that have run for a whole span at least."""
        for rpc in self._old:
            rpc.watch()
        self._old, self._young = self._young, []
        self._timer = self._loop.call_later(SPARED, self._watch) if self._old else None


async def _served(rpc: Rpc, work: Coroutine[None, None, None]) -> None:
    try:
        await work
        if not rpc.over:
            rpc.end()
    except Exception:
        log.exception("an RPC failed unexpectedly", method=rpc.method)
        if not rpc.over:
            rpc.end(INTERNAL, "internal error")
    finally:
        if not rpc.over:
            rpc.end(CANCELLED, "the call was cancelled")
