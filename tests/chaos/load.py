"""The load: calls with a key that are asked until they have an outcome, calls without, streams, and rationed calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count, cycle
from time import monotonic
from typing import cast

from a2a_node.client import MeshClient
from a2a_node.model.errors import MeshError, RateLimited, StreamGap
from tests.chaos.tally import Answer, Broken, Tally, event

PATIENCE = 60.0  # seconds that a user asks again
TRY = 4.0  # seconds that a user waits for one answer
PAUSE = 0.02  # seconds between calls
RETURN = 1.0  # seconds, as long as a client of gRPC waits between two tries to connect
EVENTS = 100  # of a stream
KEYED, PLAIN, STREAMS, RATIONED = 4, 2, 3, 2  # workers
WORKERS = KEYED + PLAIN + STREAMS + RATIONED
SAMPLE = 300  # calls whose outcome is asked for again

Clients = Sequence[MeshClient]
Work = Callable[[Clients, str], Awaitable[None]]
Addresses = Callable[[int], Sequence[str]]  # for a worker, by its number from 0


class Load:
    """Asks two nodes of a mesh, the first one first, until it is told to stop."""

    def __init__(self, name: str, addresses: Addresses, key: str, churn: int = 0) -> None:
        """`churn` is after how many calls a worker makes new connections; 0 for never.

        Clients of one process share their connections to an address: new ones are made only where nobody else has it.
        """
        self._name, self._addresses, self._key, self._churn = name, addresses, key, churn
        self._stopped = False
        self._returns = 0  # how often all workers were told to make new connections
        self._numbers = count(1)
        self._news = asyncio.Condition()
        self._last: dict[str, float] = {}  # when the last call that a worker had answered was begun
        self._copies: dict[str, float] = {}  # the same for the agent's copies
        self.tally = Tally()

    async def run(self) -> None:
        """Ask until stopped."""
        kinds = ((self._keyed, KEYED), (self._plain, PLAIN), (self._stream, STREAMS), (self._rationed, RATIONED))
        numbers = count()
        async with asyncio.TaskGroup() as tasks:
            for work, workers in kinds:
                for worker in range(workers):
                    tasks.create_task(self._repeated(work, f"{work.__name__}{worker}", next(numbers)))

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopped = True

    async def steady(self, copies: Sequence[str], since: float) -> bool:
        """Wait until every worker and these copies have answered what was begun after a time; whether they did.

        Clients stay with a node that serves them, so all look for the first one again every second.
        """

        def well() -> bool:
            late = [self._copies.get(copy, 0.0) for copy in copies] + list(self._last.values())
            return len(self._last) == KEYED + PLAIN and min(late) >= since

        for _ in range(round(PATIENCE / RETURN)):
            with suppress(TimeoutError):
                async with asyncio.timeout(RETURN), self._news:
                    await self._news.wait_for(well)
                return True
            self._returns += 1
        return False

    async def ask_again(self, since: float = 0.0) -> None:
        """Ask calls with a key once more, those begun after a time: they have the outcome that they had."""
        async with self._clients(0) as clients:
            for answer in [one for one in self.tally.answers[-SAMPLE:] if one.began >= since]:
                again = await self._outcome(clients, answer.number)
                self.tally.other_outcomes += again is not None and again["execution"] != answer.execution

    async def _repeated(self, work: Work, worker: str, number: int) -> None:
        while not self._stopped:
            async with self._clients(number) as clients:
                await self._while_connected(work, clients, worker)

    async def _while_connected(self, work: Work, clients: Clients, worker: str) -> None:
        returns = self._returns
        for done in count(1):
            await work(clients, worker)
            await asyncio.sleep(PAUSE)
            if self._stopped or done == self._churn or returns != self._returns:
                return

    @asynccontextmanager
    async def _clients(self, number: int) -> AsyncIterator[Clients]:
        addresses = self._addresses(number)
        async with AsyncExitStack() as house:
            turns = (addresses, addresses[::-1])
            yield [await house.enter_async_context(MeshClient(",".join(turn), self._key)) for turn in turns]

    async def _keyed(self, clients: Clients, worker: str) -> None:
        number, began = f"keyed-{self._name}-{next(self._numbers)}", monotonic()
        self.tally.asked += 1
        answer = await self._outcome(clients, number)
        if answer is None:
            self.tally.lost += 1
        else:
            await self._heard(
                self.tally.answers, Answer(number, answer["execution"], answer["copy"], began, monotonic()), worker
            )

    async def _outcome(self, clients: Clients, number: str) -> dict[str, str] | None:
        """What a user does who needs an outcome: ask again, elsewhere, with the same key."""
        until = monotonic() + PATIENCE
        for mesh in cycle(clients):
            try:
                answer = await mesh.call("steady", "ask", {"number": number}, timeout=TRY, idempotency_key=number)
                return cast("dict[str, str]", answer)
            except MeshError as failure:
                self.tally.reasons[failure.reason] += 1
            if monotonic() > until:
                return None
            await asyncio.sleep(5 * PAUSE)
        return None

    async def _plain(self, clients: Clients, worker: str) -> None:
        number, began = f"plain-{self._name}-{next(self._numbers)}", monotonic()
        self.tally.asked += 1
        for mesh in clients:  # another number for the second one: nobody may repeat a call without a key
            try:
                said = await mesh.call("steady", "ask", {"number": number}, timeout=TRY)
            except MeshError as failure:
                self.tally.reasons[f"plain {failure.reason}"] += 1
                number = f"{number}-again"
            else:
                answer = cast("dict[str, str]", said)
                await self._heard(
                    self.tally.plain, Answer(number, answer["execution"], answer["copy"], began, monotonic()), worker
                )
                return

    async def _heard(self, kept: list[Answer], answer: Answer, worker: str) -> None:
        kept.append(answer)
        self._last[worker] = answer.began
        self._copies[answer.copy] = max(answer.began, self._copies.get(answer.copy, 0.0))
        async with self._news:
            self._news.notify_all()

    async def _stream(self, clients: Clients, _: str) -> None:
        number, last = f"stream-{self._name}-{next(self._numbers)}", 0
        self.tally.asked += 1
        asked = {"number": number, "n": EVENTS}
        try:
            async for said in clients[0].stream("steady", "count", asked, timeout=PATIENCE):
                last = event(self.tally, cast("dict[str, int]", said)["number"], last)
            self.tally.events_lost += EVENTS - last
        except StreamGap as gap:
            self.tally.events_lost += 1
            self.tally.reasons[f"stream {gap.reason}"] += 1
        except MeshError as failure:
            self.tally.broken.append(Broken(number, last, monotonic()))
            self.tally.reasons[f"stream {failure.reason}"] += 1

    async def _rationed(self, clients: Clients, worker: str) -> None:
        number, mesh = f"rationed-{self._name}-{next(self._numbers)}", clients[int(worker[-1])]
        self.tally.asked += 1
        self.tally.rationed[number] = monotonic()
        try:
            await mesh.call("steady", "rationed", {"number": number}, timeout=TRY)
        except RateLimited:
            return
        except MeshError as failure:
            self.tally.reasons[f"rationed {failure.reason}"] += 1
