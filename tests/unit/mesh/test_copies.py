"""What is known of running copies is bounded by how many there are."""

from __future__ import annotations

from a2a_node.mesh.copies import FEW, Copies


def test_copies_that_left_the_registry_are_dropped() -> None:
    """As others come; those that stay keep what is known of them."""
    there = {"stays"}
    copies = Copies(there.__contains__)
    copies.of("stays").score.saw(0.5, 0)
    for number in range(10_000):
        there.add(str(number))
        copies.of(str(number))
        there.discard(str(number))
    assert len(copies) <= FEW
    assert copies.of("stays").score.latency(0) == 0.5


def test_states_and_calls_are_counted() -> None:
    """For the figures that a node shows."""
    copies = Copies(lambda _: True)
    copies.of("one").breaker.fail(0, at_once=True)
    copies.of("two").score.in_flight = 2
    copies.of("three")
    assert copies.states(0.5) == {"closed": 2, "open": 1, "half_open": 0}
    assert copies.in_flight() == 2
