"""A slow call is asked of a second instance, and has one answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.mesh.hedge import Hedge, Hedges
from a2a_node.mesh.retry import Habits, Retry, Savings
from a2a_node.model.agents import AgentCapability
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentLost, AgentProtocol, AgentRefused, MeshError, NoInstance
from a2a_node.model.payload import TEXT, Payload
from tests.unit.mesh.calls import call, instance
from tests.unit.virtual import in_no_time

DELAY = 1.0
HEDGED = AgentCapability("say", idempotent=True, hedging_delay=DELAY)
SILENT = 1e6  # seconds, in which nobody answers
FAILURES = {
    "refuses": AgentRefused("no"),
    "is lost": AgentLost("echo", "x"),
    "never began": NoInstance("echo"),
    "crashes": RuntimeError("bug"),
}
ANSWERS = ("answers", "answers twice", "refuses", "crashes")  # whatever the other one does


@dataclass
class Copy:
    """What one instance does, and what becomes of it."""

    does: str = "answers"
    after: float = 0.0  # seconds
    asked: int = 0
    cancelled: bool = False

    async def serve(self, asked: Call, name: str) -> None:
        """One try."""
        self.asked += 1
        asked.begun = self.does != "never began"
        payload = await anext(asked.requests)
        try:
            await asyncio.sleep(self.after)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.does.startswith("answers"):
            await asked.reply(Payload(f"{payload.body!r} from {name}", TEXT))
        if self.does == "answers twice":
            await asked.reply(payload)
        if self.does in FAILURES:
            raise FAILURES[self.does]


@dataclass
class House:
    """Two copies, a balance that picks the first one first, and the layer above it."""

    first: Copy
    second: Copy = field(default_factory=Copy)
    others: bool = True
    budget: float = 10.0

    def __post_init__(self) -> None:
        self.hedges = Hedges()
        self.savings = Savings(Habits(floor=self.budget, share=0), monotonic())
        self.layer = Hedge(self, self.savings, self.hedges).layer
        self.said: list[Payload] = []
        self.ended_at = 0.0

    def beside(self, asked: Call) -> tuple[str, ...] | None:
        """All but the first."""
        assert asked.instance is not None
        return (asked.instance.id,) if self.others else None

    async def serve(self, asked: Call) -> None:
        """The layers below."""
        name = "second" if asked.tried else "first"
        asked.instance = instance(name)
        await (self.second if asked.tried else self.first).serve(asked, name)

    async def take(self, payload: Payload) -> None:
        """Hear an answer."""
        self.said.append(payload)

    async def ask(self, asked: Call | None = None) -> Call:
        """Make a call."""
        asked = asked or call(HEDGED, seconds=1e9)
        asked.reply = self.take
        try:
            await self.layer(asked, self.serve)
        finally:
            self.ended_at = asyncio.get_running_loop().time()
        return asked


def test_a_fast_answer_is_the_only_one_asked_for() -> None:
    """Nobody else hears of the call."""
    house = House(Copy(after=DELAY / 2))
    asked = in_no_time(house.ask())
    assert [payload.body for payload in house.said] == ["'hello' from first"]
    assert (house.second.asked, asked.tried, house.hedges) == (0, (), Hedges())


def test_a_slow_one_is_overtaken() -> None:
    """The second one is asked the same after the delay; the first one hears that nobody waits for it any more."""
    house = House(Copy(after=SILENT), Copy(after=0.5))
    asked = in_no_time(house.ask())
    assert [payload.body for payload in house.said] == ["'hello' from second"]
    assert house.first.cancelled
    assert house.ended_at == DELAY + 0.5
    assert (asked.instance, asked.tried) == (instance("second"), ("first",))
    assert house.hedges == Hedges(won=1)


def test_the_first_may_still_win() -> None:
    """Then the second one is cancelled."""
    house = House(Copy(after=2 * DELAY), Copy(after=SILENT))
    in_no_time(house.ask())
    assert [payload.body for payload in house.said] == ["'hello' from first"]
    assert house.second.cancelled
    assert house.hedges == Hedges(lost=1)


@pytest.mark.parametrize("does", ["is lost", "never began"])
def test_a_failure_of_one_is_not_the_end_while_the_other_works(does: str) -> None:
    """Whichever it is."""
    for copies in ((Copy(does, DELAY + 0.1), Copy(after=1)), (Copy(after=DELAY + 1), Copy(does, 0.1))):
        house = House(*copies)
        in_no_time(house.ask())
        assert len(house.said) == 1


def test_a_refusal_is_an_answer() -> None:
    """The agent has said it, and the other copy would say the same."""
    house = House(Copy(after=SILENT), Copy("refuses"))
    with pytest.raises(AgentRefused):
        in_no_time(house.ask())
    assert house.first.cancelled


def test_both_have_to_fail_before_there_is_another_try() -> None:
    """By the layer above, which goes to neither of them first, and is not hedged again."""
    house, tries = House(Copy("is lost", DELAY + 1), Copy("is lost", DELAY)), list[tuple[str, ...]]()

    async def served(asked: Call) -> None:
        tries.append(asked.tried)
        if len(tries) < 3:
            await house.serve(asked)
        else:
            asked.instance = instance("third")
            await Copy(after=2 * DELAY).serve(asked, "third")

    async def hedged(asked: Call) -> None:
        await house.layer(asked, served)

    asked = call(HEDGED, seconds=1e9)
    asked.reply = house.take
    in_no_time(Retry(Habits(first_pause=0.0)).layer(asked, hedged))
    assert [payload.body for payload in house.said] == ["'hello' from third"]
    assert [{*each} for each in tries] == [set(), {"first"}, {"first", "second"}]


def test_nobody_else_is_asked_without_a_budget_or_another_instance() -> None:
    """The first one is waited for, and it is counted why."""
    poor, alone = House(Copy(after=5), budget=0.5), House(Copy(after=5), others=False)
    for house in (poor, alone):
        in_no_time(house.ask())
        assert (house.second.asked, len(house.said), house.ended_at) == (0, 1, 5)
    assert (poor.hedges, alone.hedges) == (Hedges(unpaid=1), Hedges(alone=1))


def test_a_mesh_that_is_slow_as_a_whole_is_not_asked_twice() -> None:
    """Hedges are paid for from the budget of retries: a fifth of the calls, and the few that are always there."""
    retry, house = Retry(Habits(floor=10)), House(Copy(after=5), Copy(after=5))
    layer = Hedge(house, retry.savings, house.hedges).layer

    async def hedged(asked: Call) -> None:
        await layer(asked, house.serve)

    async def many() -> None:
        for _ in range(500):
            await retry.layer(call(HEDGED, seconds=1e9), hedged)

    in_no_time(many())
    assert 100 <= house.hedges.lost <= 112
    assert house.second.asked == house.hedges.lost
    assert house.hedges.unpaid == 500 - house.hedges.lost


@pytest.mark.parametrize(
    "asked",
    [
        lambda: call(AgentCapability("say", idempotent=True), seconds=1e9),
        lambda: call(HEDGED, seconds=DELAY / 2),
    ],
    ids=["not asked for", "the deadline comes first"],
)
def test_what_is_not_hedged_is_not_touched(asked: object) -> None:
    """Its one try runs in the call's own task."""
    assert callable(asked)
    house = House(Copy(after=3 * DELAY))
    tasks = list[object]()

    async def ask() -> None:
        await house.layer(asked(), served)
        tasks.append(asyncio.current_task())

    async def served(asked: Call) -> None:
        tasks.append(asyncio.current_task())
        await house.serve(asked)

    in_no_time(ask())
    assert tasks[0] is tasks[1]
    assert house.second.asked == 0


moments = st.integers(0, 8)


@given(
    first=st.tuples(st.sampled_from([*ANSWERS, "is lost", "never began"]), moments),
    second=st.tuples(st.sampled_from([*ANSWERS, "is lost", "never began"]), moments),
    patience=st.integers(0, 12),
)
def test_there_is_one_outcome_and_never_two_answers(
    first: tuple[str, int], second: tuple[str, int], patience: int
) -> None:
    """Whatever each of them does and when, and whenever the caller goes away; and nothing goes on afterwards."""
    copies = (Copy(first[0], first[1] + 0.25), Copy(second[0], second[1] + 0.5))
    house = House(*copies)
    result = in_no_time(outcome(house, patience + 0.125))

    spoken = [(copies[0].after, first[0])] + [(DELAY + copies[1].after, second[0])] * (copies[0].after > DELAY)
    words = sorted(each for each in spoken if each[1] in ANSWERS)
    last = max(at for at, _ in spoken)
    ends, does = words[0] if words else (last, first[0])
    assert result == ("gone" if ends > patience + 0.125 else does)
    assert len(house.said) == (result == "answers")
    assert house.first.asked + house.second.asked <= 2


async def outcome(house: House, patience: float) -> str:
    """What becomes of a call, in the words for what copies do; by then nobody works on it."""
    before = asyncio.all_tasks()
    try:
        async with asyncio.timeout(patience):
            await house.ask()
    except TimeoutError:
        result = "gone"
    except AgentProtocol:
        result = "answers twice"
    except (MeshError, RuntimeError) as failure:
        result = next(name for name, each in FAILURES.items() if each is failure)
    else:
        result = "answers"
    assert asyncio.all_tasks() == before
    return result
