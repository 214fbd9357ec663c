"""The MCP servers that run on this node: those of every node, and those whose lease it has.

One supervisor keeps each, in one TaskGroup. What is wanted is heard of at once; leases are renewed three times in their
length. While the store is away, whatever runs goes on: nobody else can take its lease then, either.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Self

import structlog

from a2a_node.model.errors import SettingInvalid, StoreUnavailable
from a2a_node.model.servers import Server, Wish
from a2a_node.model.tool_ports import Servers
from a2a_node.model.tools import Placement
from a2a_node.tools.reports import Reports
from a2a_node.tools.supervisor import Supervisor

AT_ONCE = 4  # servers that nobody has which a node takes in one look, so that others get theirs
NEXT_LOOK = 0.1  # seconds, while there are more of them
PAUSE = 1.0  # seconds until a store that is away is listened to again

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
Make = Callable[[Server, bool], Supervisor]


@dataclass(frozen=True, slots=True)
class Post:
    """The node as servers choose it: its id, its labels, and the length of its leases in seconds."""

    node_id: str
    labels: Mapping[str, str]
    lease: float
    taking: Callable[[], bool] = lambda: True
    """Whether it takes servers that nobody has; not while it drains."""


@dataclass(slots=True)
class _Kept:
    supervisor: Supervisor
    task: asyncio.Task[None]
    ending: bool = False

    def end(self) -> None:
        """Have it end, once: its server has a grace, which nothing cuts short."""
        if not self.ending:
            self.ending = True
            self.task.cancel()


class Fleet:
    """Made by `running`."""

    def __init__(self, store: Servers, post: Post, reports: Reports, make: Make) -> None:
        self._store, self._post, self._reports, self._make = store, post, reports, make
        self._kept: dict[str, _Kept] = {}
        self._given: set[str] = set()  # servers that other nodes are to have
        self._news, self._begun = asyncio.Event(), asyncio.Event()
        self._leaving, self._turn = False, asyncio.Lock()
        self._group = asyncio.TaskGroup()

    @classmethod
    @asynccontextmanager
    async def running(cls, store: Servers, post: Post, reports: Reports, make: Make) -> AsyncIterator[Self]:
        """Keep servers until the block ends; then they are ended, and their leases given back."""
        fleet = cls(store, post, reports, make)
        work = asyncio.create_task(fleet._work(), name="mcp fleet")
        await fleet._begun.wait()
        try:  # the group is around the work, not around this block, whose failures keep their class
            yield fleet
        finally:
            await fleet.leave()
            work.cancel()
            await asyncio.wait((work,))

    @property
    def supervisors(self) -> Sequence[Supervisor]:
        """Those at work."""
        return [kept.supervisor for kept in self._kept.values()]

    def lines(self, server_id: str) -> Sequence[str] | None:
        """The last lines of a server's log; None when it does not run here."""
        kept = self._kept.get(server_id)
        return None if kept is None else kept.supervisor.lines

    async def hand_over(self, heir: Callable[[Server], bool], calm: Callable[[Server], Awaitable[None]]) -> None:
        """Let other nodes have the servers for which there is an heir, each once `calm` has waited for its calls."""
        kept = [one for one in self._kept.values() if _is_one(server := one.supervisor.server) and heir(server)]
        for one in kept:
            server = one.supervisor.server
            self._given.add(server.id)
            if not one.supervisor.part(partial(calm, server)):
                one.end()
        if kept:
            await asyncio.wait([one.task for one in kept])

    async def leave(self) -> None:
        """End all servers and take no more, so that other nodes have them."""
        self._leaving = True
        for kept in self._kept.values():
            kept.end()
        async with self._turn:
            if self._kept:
                await asyncio.wait([kept.task for kept in self._kept.values()])
            ids = [*self._kept]
            self._kept.clear()
            with suppress(StoreUnavailable):  # their leases end by themselves
                await self._freed(ids)

    async def _work(self) -> None:
        async with self._group as group:
            for work in (self._tend, self._hear, self._reports.run):
                group.create_task(work())
            self._begun.set()

    async def _tend(self) -> None:
        while True:
            self._news.clear()
            more = False
            try:
                async with self._turn:
                    more = not self._leaving and await self._look()
            except (StoreUnavailable, SettingInvalid) as failure:
                log.warning("mcp servers are not looked after", why=failure.message, running=len(self._kept))
            except Exception:
                log.exception("mcp servers are not looked after; trying again", running=len(self._kept))
            with suppress(TimeoutError):
                async with asyncio.timeout(NEXT_LOOK if more else self._post.lease / 3):
                    await self._news.wait()

    async def _hear(self) -> None:
        while True:
            with suppress(StoreUnavailable):
                async with self._store.revisions() as revisions:
                    self._news.set()
                    async for _ in revisions:
                        self._news.set()
            await asyncio.sleep(PAUSE)

    async def _look(self) -> bool:
        """Bring what runs here in line with what is wanted; whether there are more to take."""
        known = {one.id: one for one in (await self._store.all())[1]}
        wanted = {
            name: one
            for name, one in known.items()
            if one.wish is Wish.RUN and self._suits(one) and not self._has_given(name)
        }
        free = [name for name, one in wanted.items() if _is_one(one) and not one.holder and name not in self._kept]
        ours = [name for name, one in wanted.items() if one.holder == self._post.node_id and name not in self._kept]
        free = free if self._post.taking() else []
        asked = [*self._kept, *ours, *free[:AT_ONCE]]
        held = {*await self._store.hold(self._post.node_id, asked)} if asked else set()
        here = {name: one for name, one in wanted.items() if name in held or not _is_one(one)}
        await self._become(here, known)
        return len(free) > AT_ONCE

    async def _become(self, here: Mapping[str, Server], known: Mapping[str, Server]) -> None:
        """Keep these servers and no others; what is known of all tells the grace of those that end."""
        over = {name for name, kept in self._kept.items() if kept.task.done()}
        for name in over:
            del self._kept[name]
        if self._leaving:
            return
        for name, kept in self._kept.items():
            kept.supervisor.grace = known[name].grace if name in known else kept.supervisor.grace
            self._told(kept, here.get(name))
        await self._freed([name for name in over if name not in here])
        for name in here.keys() - self._kept.keys():
            self._start(here[name], again=name in over)

    def _told(self, kept: _Kept, server: Server | None) -> None:
        """Have a supervisor know what is wanted of its server by now."""
        before = kept.supervisor.server
        if server is None or server.generation != before.generation or server.created_at != before.created_at:
            kept.end()
        elif server.starts != before.starts:
            kept.supervisor.server = server
            kept.supervisor.wake()

    def _start(self, server: Server, *, again: bool) -> None:
        supervisor = self._make(server, again)
        task = self._group.create_task(supervisor.run(), name=f"mcp supervisor {server.id}")
        task.add_done_callback(lambda _: self._news.set())
        self._kept[server.id] = _Kept(supervisor, task)

    async def _freed(self, server_ids: Sequence[str]) -> None:
        if server_ids:
            await self._reports.write()
            await self._store.release(self._post.node_id, server_ids)

    def _has_given(self, name: str) -> bool:
        """Whether another node is to have it, and it has ended here."""
        kept = self._kept.get(name)
        return name in self._given and (kept is None or kept.task.done())

    def _suits(self, server: Server) -> bool:
        return server.config.node_labels.items() <= self._post.labels.items()


def _is_one(server: Server) -> bool:
    return server.config.placement is Placement.ONE_NODE
