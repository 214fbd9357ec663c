"""How fast each address may ask."""

from __future__ import annotations

from a2a_node.web.edge.rates import Rate


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_an_address_may_ask_so_often_and_no_more() -> None:
    """A burst at once, then at the rate; others have buckets of their own."""
    clock = Clock()
    rate = Rate(2.0, 3, clock)
    assert [rate.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert rate.wait("b") == 0
    clock.now += 0.25
    assert rate.wait("a") == 0.25
    clock.now += 0.25
    assert [rate.wait("a"), rate.wait("a")] == [0, 0.5]
    clock.now += 100
    assert [rate.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_those_that_asked_long_ago_are_forgotten_first() -> None:
    """So that addresses cost no memory without end."""
    rate = Rate(1.0, 1, Clock(), most=2)
    for address in ("a", "b", "a", "c"):
        rate.wait(address)
    assert len(rate) == 2
    assert rate.wait("a") > 0, "it asked lately, and is remembered"
    assert rate.wait("b") == 0
