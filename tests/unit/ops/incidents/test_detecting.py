"""What counts as having left the baseline."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.ops_ports import LogLine, Reading, Tally
from a2a_node.ops.incidents.detecting import Seen, deviations
from a2a_node.ops.incidents.logged import Heard
from a2a_node.ops.incidents.words import Deviation, Severity, worst

NAMES = ("baker", "bake")


def readings(*parts: tuple[int, int, float], memory: float = 100e6, start: float = 0.0) -> Sequence[Reading]:
    """Readings between which so many calls went well and failed, each in so many seconds."""
    found, tally = [Reading(start, {NAMES: Tally()}, memory)], Tally()
    for place, (ok, errors, seconds) in enumerate(parts, 1):
        took = tally.seconds + (ok + errors) * seconds
        tally = Tally(ok=tally.ok + ok, errors=tally.errors + errors, seconds=took)
        found.append(Reading(start + place, {NAMES: tally}, memory))
    return found


def seen(before: Sequence[tuple[int, int, float]], now: tuple[int, int, float]) -> Seen:
    """What was read before and since."""
    whole = readings(*before, now)
    return Seen(whole[:-1], whole[-2:])


def test_an_agent_that_begins_to_fail_is_seen() -> None:
    """With the numbers behind it."""
    (found,) = deviations(seen([(50, 0, 0.01)] * 6, (20, 20, 0.01)))
    assert (found.kind, found.agent, found.value, found.baseline) == ("error_rate", "baker", 0.5, 0.0)
    assert found.severity is Severity.CRITICAL
    assert found.why == "20 of 40 calls, against 0 of 300 before"


def test_an_agent_that_always_failed_so_often_is_none() -> None:
    """The baseline is what it was."""
    assert deviations(seen([(30, 10, 0.01)] * 6, (30, 10, 0.01))) == []


def test_few_calls_prove_nothing() -> None:
    """However bad they look."""
    assert deviations(seen([(50, 0, 0.01)] * 6, (0, 19, 0.01))) == []


def test_without_a_baseline_only_what_is_bad_by_itself_counts() -> None:
    """A node that has just started has none."""
    first = readings((10, 30, 0.01))
    (found,) = deviations(Seen([], first))
    assert "too few to compare with" in found.why
    assert deviations(Seen([], readings((38, 2, 0.01)))) == []


def test_an_agent_that_slows_down_is_seen() -> None:
    """By the median of the intervals before, which one slow one does not move."""
    (found,) = deviations(seen([(50, 0, 0.01)] * 5 + [(50, 0, 1.0)], (40, 0, 0.05)))
    assert (found.kind, found.severity, found.baseline) == ("latency", Severity.MEDIUM, 0.01)


def test_of_a_baseline_that_is_hardly_known_more_is_asked() -> None:
    """Two intervals do not tell how an agent varies."""
    assert deviations(seen([(50, 0, 0.01)] * 2, (40, 0, 0.04))) == []
    assert [one.kind for one in deviations(seen([(50, 0, 0.01)] * 2, (40, 0, 0.06)))] == ["latency"]


def test_what_varies_anyhow_is_none() -> None:
    """Twice the median is nothing unusual there."""
    varied = [(50, 0, seconds) for seconds in (0.01, 0.03, 0.01, 0.04, 0.02, 0.05)]
    assert deviations(seen(varied, (40, 0, 0.05))) == []


def test_a_process_that_grows_is_seen() -> None:
    """By enough, and far from how it varied."""
    before = [Reading(float(place), {}, 100e6 + place * 1e6) for place in range(10)]
    (found,) = deviations(Seen(before, [before[-1], Reading(11.0, {}, 250e6)]))
    assert (found.kind, found.severity) == ("memory", Severity.HIGH)
    assert deviations(Seen(before, [before[-1], Reading(11.0, {}, 130e6)])) == []


def logged(before: int, now: int, level: str = "error", known: float = 600.0) -> Sequence[Deviation]:
    """What is found where so many lines of the baker's came in some time of before, and in the minute of the window."""
    earlier = [1000.0 - known * (each + 1) / (before + 1) for each in range(before)]
    moments = [*earlier, *(1001.0 + each / 100 for each in range(now))]
    lines = [LogLine(at, level, f"oven {each} is cold", {"agent": "baker"}) for each, at in enumerate(moments)]
    return deviations(Seen([], [], heard=Heard(lines, 1000.0 - known, 1000.0, 1060.0)))


def test_errors_that_begin_to_be_logged_are_seen() -> None:
    """By the agent that they are of, with what they say most."""
    (found,) = logged(2, 30)
    assert (found.kind, found.agent, found.value, found.baseline) == ("log_errors", "baker", 30.0, 0.2)
    assert found.severity is Severity.MEDIUM
    said = "30 errors in the log in 60 s, against 2 in the 600 s before; most often: oven <n> is cold (30)"
    assert found.why == said


@pytest.mark.parametrize(
    ("before", "now", "level", "known"),
    [(0, 4, "error", 600), (300, 40, "error", 600), (0, 300, "warning", 600), (0, 19, "error", 30)],
    ids=["few", "as-before", "warnings", "little-known-of-before"],
)
def test_what_is_logged_as_ever_is_no_deviation(before: int, now: int, level: str, known: float) -> None:
    """Nor are a few lines, or warnings, or what there is too little to compare with."""
    assert logged(before, now, level, known) == []


def test_many_errors_count_where_nothing_is_known_of_before() -> None:
    """A node that has just started has no baseline."""
    (found,) = logged(0, 61, known=0)
    assert (found.severity, "too little to compare with" in found.why) == (Severity.HIGH, True)


@given(st.lists(st.tuples(st.integers(20, 60), st.just(0), st.floats(0.001, 0.002)), min_size=5, max_size=10))
def test_calls_that_all_go_well_are_no_incident(parts: list[tuple[int, int, float]]) -> None:
    """However they vary in number, and a little in time."""
    assert worst(deviations(seen(parts[:-1], parts[-1]))) is Severity.NONE
