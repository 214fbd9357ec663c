"""The hedge layer: what one instance does not answer in time is asked of a second one as well; the first answer counts.

Only for capabilities that ask for it, which are idempotent and answer one input with one output. Both tries are one
call: one id, one deadline, one outcome. The second one is paid for from the retry budget, so that a mesh that is slow
as a whole is not asked twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Protocol

from a2a_node.mesh.retry import Savings
from a2a_node.model.call import Call, Once, Proceed
from a2a_node.model.errors import AgentProtocol, MeshError
from a2a_node.model.payload import Payload


@dataclass(slots=True)
class Hedges:
    """How many calls had a second try, by whether it won, and how many were slow and had none."""

    won: int = 0  # the second try answered first
    lost: int = 0  # the first try did, or neither
    unpaid: int = 0  # the retry budget was used up
    alone: int = 0  # nobody else was within reach


class Knows(Protocol):
    """Balance, as far as it is needed here."""

    def beside(self, call: Call) -> tuple[str, ...] | None:
        """The instances that must not take a second try beside this one; None when there are no others."""


class Hedge:
    """The layer; it stands above balance, which picks an instance for each try."""

    def __init__(self, balance: Knows, savings: Savings, hedges: Hedges) -> None:
        self._balance, self._savings, self._hedges = balance, savings, hedges

    def layer(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """Have the call answered by the first of two tries; one that is tried again after a failure has one try."""
        delay, kept = delay_of(call), call.requests
        if not delay or call.tried or not isinstance(kept, Once) or kept.payload is None:
            return proceed(call)
        return self._hedged(call, replace(call, requests=Once(kept.payload), beside=True), delay, proceed)

    async def _hedged(self, call: Call, like: Call, delay: float, proceed: Proceed) -> None:
        reply = call.reply
        tries = [Try(call, proceed)]
        try:
            await asyncio.wait([tries[0].task], timeout=delay)
            if not tries[0].task.done() and self._pays_off(call, like):
                tries.append(Try(like, proceed))
            best = await answered(tries)
        finally:
            await ended(tries)
            call.reply = reply
        if len(tries) > 1:
            self._told(call, tries, best)
        best.task.result()
        if best.output is not None:
            await reply(best.output)

    def _pays_off(self, call: Call, second: Call) -> bool:
        """Whether there is somebody else to ask, and the budget lasts."""
        tried = self._balance.beside(call)
        if tried is None:
            self._hedges.alone += 1
            return False
        if not self._savings.take(monotonic()):
            self._hedges.unpaid += 1
            return False
        second.tried = tried
        return True

    def _told(self, call: Call, tries: Sequence[Try], best: Try) -> None:
        """Count what came of it, and note on the call what the layers above look at."""
        if best is tries[0]:
            self._hedges.lost += 1
        else:
            self._hedges.won += 1
        others = [each.call.instance.id for each in tries if each is not best and each.call.instance is not None]
        call.tried = (*call.tried, *others)
        call.begun = any(each.call.begun for each in tries)
        call.instance = best.call.instance


class Try:
    """One try of a call: its task, and its output, which waits until the try has won."""

    def __init__(self, call: Call, proceed: Proceed) -> None:
        self.call = call
        self.output: Payload | None = None
        call.reply = self._take
        self.task = asyncio.create_task(_run(call, proceed))

    @property
    def answers(self) -> bool:
        """Whether it has ended with what the agent says, rather than with a failure that the other one may not have."""
        if not self.task.done():
            return False
        failure = None if self.task.cancelled() else self.task.exception()
        return not isinstance(failure, MeshError) or (self.call.begun and not failure.retryable)

    async def _take(self, payload: Payload) -> None:
        if self.output is not None:
            raise AgentProtocol(self.call.agent, "it answered a unary call twice")
        self.output = payload


def delay_of(call: Call) -> float:
    """Seconds until a call is hedged; 0 when its capability does not ask for it, or the deadline comes first."""
    delay = call.offered.hedging_delay if call.offered is not None else 0.0
    if delay and call.envelope is not None and call.envelope.time_left(monotonic()) <= delay:
        return 0.0
    return delay


async def answered(tries: Sequence[Try]) -> Try:
    """The try that answers first, the earlier of two; when none does, the first one."""
    waiting = {each.task for each in tries}
    while waiting:
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in tries:
            if each.answers:
                return each
    return tries[0]


async def ended(tries: Sequence[Try]) -> None:
    """End those under way, and wait until they have told their agents."""
    for each in tries:
        each.task.cancel()
    await asyncio.wait([each.task for each in tries])
    for each in tries:
        if not each.task.cancelled():
            each.task.exception()  # it is looked at, so that nobody logs it


async def _run(call: Call, proceed: Proceed) -> None:
    await proceed(call)
