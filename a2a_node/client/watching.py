"""Endless streams that outlive their node: continued by themselves at the next one, from where they were lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import cycle
from time import monotonic
from typing import Generic, TypeVar, cast

from google.protobuf.message import Message

from a2a_node.client.connection import Connection, Rpc, lost, terms
from a2a_node.model.errors import MeshError

PATIENCE = 30.0  # seconds without an answer of any node
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0  # seconds between rounds over all nodes

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


@dataclass(frozen=True, slots=True)
class Watch(Generic[Q, R]):
    """An endless stream of the contract, and how its reader continues."""

    rpc: Rpc[Q, R]
    moved: Callable[[Q, R], None]
    """Have the request continue after what was told."""
    again: Callable[[Q, R], Iterable[R]]
    """What to tell in place of the first response of a node that continues."""


@dataclass(slots=True)
class _Patience:
    """How long its reader still looks for a node."""

    begun: bool = False  # somebody has told something
    since: float = field(default_factory=monotonic)  # somebody told something
    wait: float = FIRST_WAIT

    def heard(self) -> None:
        self.begun, self.since, self.wait = True, monotonic(), FIRST_WAIT

    async def pause(self, failure: MeshError | None) -> None:
        """No node answered in this round; raises its failure when there should be no other."""
        if failure is not None and (not self.begun or monotonic() - self.since > PATIENCE):
            raise failure
        await asyncio.sleep(self.wait)
        self.wait = min(2 * self.wait, LONGEST_WAIT)


async def watched(nodes: Sequence[Connection], watch: Watch[Q, R], request: Q) -> AsyncGenerator[R, None]:
    """What the first node tells, and when it is lost what the others do, each once and in order; any MeshError.

    A node whose store is away, or that is about to stop, is as good as lost. Until one of them has told something, each
    is asked once.
    """
    patience, failure = _Patience(), None
    for number, node in enumerate(cycle(nodes)):
        if number and not number % len(nodes):
            await patience.pause(failure)
        again = patience.begun
        listened = cast("AsyncGenerator[R, None]", node.listen(watch.rpc, request, terms()))
        try:
            async with aclosing(listened) as responses:
                async for response in responses:
                    patience.heard()
                    told = watch.again(request, response) if again else (response,)
                    again = False
                    watch.moved(request, response)
                    for one in told:
                        yield one
        except MeshError as error:
            if not lost(error) and error.code != "UNAVAILABLE":
                raise
            failure = error
        else:
            return
