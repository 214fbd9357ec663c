"""Whether the other end of a stream lives."""

from __future__ import annotations

import pytest

from a2a_node.mesh.attach_stream import Rules
from a2a_node.mesh.pulse import Pulse, Sign
from a2a_node.settings import Settings

SILENCE = 10.0


def test_a_stream_in_use_is_left_alone() -> None:
    """As long as frames go both ways."""
    pulse = Pulse(SILENCE, 0)
    for now in range(100):
        pulse.heard(now)
        pulse.written(now)
        assert pulse.look(now, waiting=1) is Sign.WELL


def test_a_silent_agent_is_asked_once_and_then_lost() -> None:
    """A silence before the ping, another one after it."""
    pulse = Pulse(SILENCE, 0)
    assert [pulse.look(now, waiting=0) for now in (9.9, 10, 12)] == [Sign.WELL, Sign.PING, Sign.WELL]
    assert [pulse.look(now, waiting=0) for now in (21.9, 22)] == [Sign.WELL, Sign.LOST]


@pytest.mark.parametrize("phase", [0.1, 1.3, 2.4])
def test_a_silent_agent_is_lost_within_two_leases_of_its_node(phase: float) -> None:
    """As both are kept unless somebody wants another lease, whenever the looks come."""
    silence, lease = Rules().silence, Settings.model_fields["lease"].default
    pulse, now = Pulse(silence, 0), phase
    while pulse.look(now, waiting=0) is not Sign.LOST:
        now += silence / 4
    assert 2 * silence <= now < 2 * lease


def test_an_answer_begins_everything_anew() -> None:
    """Any frame is one."""
    pulse = Pulse(SILENCE, 0)
    assert pulse.look(10, waiting=0) is Sign.PING
    pulse.written(10)
    pulse.look(10.1, waiting=0)
    pulse.heard(11)
    assert [pulse.look(now, waiting=0) for now in (19.9, 20)] == [Sign.WELL, Sign.PING]


def test_an_agent_that_speaks_without_being_spoken_to_hears_a_ping() -> None:
    """So that it knows that its node lives."""
    pulse = Pulse(SILENCE, 0)
    pulse.heard(9)
    assert pulse.look(10, waiting=0) is Sign.PING


def test_an_answer_counts_before_anybody_has_looked() -> None:
    """It may come at once."""
    pulse = Pulse(SILENCE, 0)
    assert pulse.look(10, waiting=0) is Sign.PING
    pulse.written(10)
    pulse.heard(10.1)
    assert [pulse.look(now, waiting=0) for now in (12, 20, 22)] == [Sign.WELL, Sign.PING, Sign.WELL]


def test_a_ping_that_is_not_written_yet_needs_no_answer() -> None:
    """It may stand behind a large frame."""
    pulse = Pulse(SILENCE, 0)
    assert pulse.look(10, waiting=0) is Sign.PING
    assert pulse.look(25, waiting=2) is Sign.WELL
    pulse.written(26)
    assert pulse.look(26, waiting=0) is Sign.WELL
    assert pulse.look(36, waiting=0) is Sign.LOST


def test_an_agent_that_reads_nothing_is_lost() -> None:
    """Even when it speaks."""
    pulse = Pulse(SILENCE, 0)
    pulse.heard(29)
    assert pulse.look(29.9, waiting=1) is not Sign.LOST
    assert pulse.look(30, waiting=1) is Sign.LOST
