"""A process that stood still."""

from __future__ import annotations

from a2a_node.wire.awake import BEAT, STILL, Awake


def test_a_process_that_stood_still_waits_for_one_beat() -> None:
    """From when it first looks again; one that is merely slow does not."""
    now = 0.0
    awake = Awake(lambda: now)
    now += BEAT + STILL
    assert awake.look() <= 0
    now += BEAT + STILL + 0.01
    assert awake.look() == BEAT
    now += BEAT / 2
    assert 0 < awake.look() < BEAT
    now += BEAT / 2
    assert awake.look() <= 0
