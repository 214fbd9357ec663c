"""Refusals: however many there are, events of them are few, and say how many they stand for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from a2a_node.audit.refusals import MANY, Refusals
from a2a_node.model.audit import Fact
from tests.unit.audit.samples import refusal


class House:
    """Refusals over a clock that is moved by hand, and what was put."""

    def __init__(self, most: int = 1000) -> None:
        self.now = 0.0
        self.put: list[Fact] = []
        self.refusals = Refusals(self.put.append, lambda: self.now, 10.0, most)

    def refuse(self, address: str = "10.0.0.1", reason: str = "UNAUTHENTICATED") -> None:
        """Refuse somebody."""
        self.refusals.refused((address, "", reason, "agent:invoke"), lambda: refusal(address=address))

    def stood_for(self) -> int:
        """How many refusals the events stand for."""
        return sum(int(fact.metadata.get("refusals", 1)) for fact in self.put)


def test_the_first_is_recorded_at_once_and_the_others_as_one() -> None:
    """At the end of the window, without what was of the first one alone."""
    house = House()
    for _ in range(100):
        house.refuse()
    (first,) = house.put
    house.now = 9.9
    house.refusals.sweep()
    assert len(house.put) == 1
    house.now = 10.0
    house.refusals.sweep()
    rest = house.put[1]
    assert rest.metadata == {"refusals": 99, "within_seconds": 10}
    assert (rest.ip_address, rest.reason, rest.action) == (first.ip_address, first.reason, first.action)
    assert (rest.target, rest.call_id) == ("", "")
    assert rest.id != first.id
    assert house.refusals.coalesced == 99


def test_kinds_are_told_apart() -> None:
    """By address and by reason; one alone needs no second event."""
    house = House()
    house.refuse("10.0.0.1")
    house.refuse("10.0.0.2")
    house.refuse("10.0.0.2", "RATE_LIMITED")
    house.now = 10.0
    house.refusals.sweep()
    assert len(house.put) == 3


def test_beyond_so_many_kinds_all_are_one() -> None:
    """Whoever has many addresses fills nothing either."""
    house = House(most=3)
    for number in range(1000):
        house.refuse(f"10.0.0.{number}")
    house.refusals.sweep(all_of_them=True)
    assert [fact.ip_address for fact in house.put] == ["10.0.0.0", "10.0.0.1", "10.0.0.2", "", ""]
    assert (house.put[3].action, house.put[4].metadata["refusals"]) == (MANY, 996)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 8)), max_size=300))
def test_every_refusal_is_in_one_event_and_events_are_bounded(steps: list[tuple[float, int]]) -> None:
    """Whenever they come, and from wherever: two for each kind and window."""
    house = House(most=4)
    for wait, who in steps:
        house.now += wait
        house.refusals.sweep()
        house.refuse(f"10.0.0.{who}")
    house.refusals.sweep(all_of_them=True)
    assert house.stood_for() == len(steps)
    assert len(house.put) <= 2 * 5 * (house.now // 10 + 1) + 5
