"""The figures of `make chaos`: they see what they are there to see."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.agents import BURST, RATE
from tests.chaos.faults import LANES
from tests.chaos.gauges import left, links
from tests.chaos.rows import Row
from tests.chaos.tables import GROUPS, seen, short, whole
from tests.chaos.tally import UNDER_WAY, Answer, Broken, Tally, admitted, doubled, event, over_admitted, unheard

HOUSE = Path(__file__).parents[2]
FAULTS = {fault.name for lane in LANES for fault in lane}


def row(fault: str, **more: int) -> Row:
    """A row of nothing but noughts, and what is said."""
    figures = dict.fromkeys(Row.__dataclass_fields__, 0) | more
    return Row(**figures | {"fault": fault, "errors": {}, "left": {}})  # type: ignore[arg-type]


def test_events_that_are_missing_or_come_again_are_counted() -> None:
    """By their numbers, wherever the stream was read on."""
    tally, last = Tally(), 0
    for number in (1, 2, 2, 5, 4, 6):
        last = event(tally, number, last)
    assert (tally.events, tally.events_lost, tally.events_doubled, last) == (6, 2, 2, 6)


def test_work_counts_twice_only_where_it_must_not_be_done_again() -> None:
    """Without a key never; with a key not once its outcome was told, and no call has two outcomes."""
    tally = Tally([Answer("keyed-1", "x", "a", 0.0, 1.0), Answer("keyed-2", "y", "a", 0.0, 1.0)], other_outcomes=1)
    ledger = [("keyed-1", "w", "0.2"), ("keyed-1", "x", "0.5"), ("keyed-2", "y", "0.5"), ("keyed-2", "z", "1.5")]
    ledger += [("plain-1", "p", "0.1"), ("plain-1", "q", "9.0"), ("plain-2", "r", "0.1")]
    ledger += [("rationed-1", "s", "0.1"), ("rationed-1", "t", "0.2")]
    ledger += [("stream-1", "1", "0.1"), ("stream-1", "2", "0.2")]
    assert doubled(tally, ledger) == (1 + 1 + 1 + 1, 2)


def test_what_an_agent_had_said_before_the_fault_is_missed_when_its_stream_breaks() -> None:
    """Not what it says afterwards, nor what may have been on its way."""
    tally = Tally(broken=[Broken("stream-1", 4, 9.0), Broken("stream-2", 0, 2.0)], faults=[1.0, 5.0, 10.0])
    ledger = [("stream-1", str(number), str(5.0 - UNDER_WAY + 0.1 * (number - 6))) for number in range(1, 12)]
    assert unheard(tally, [("keyed-1", "x", "0.1"), *ledger], dies=True) == 1
    assert unheard(tally, ledger, dies=False) == 11 - 4


def test_events_may_be_under_way_for_as_long_as_most_calls_take() -> None:
    """A busy machine is late for both; calls that a fault held up are too few to count."""
    calls = [Answer(f"plain-{number}", "x", "a", 0.0, 0.5) for number in range(95)]
    held = [Answer(f"plain-{number}", "x", "a", 0.0, 9.0) for number in range(95, 100)]
    assert Tally(plain=[*held, *calls]).under_way() == 0.5
    assert Tally(plain=[Answer("plain-1", "x", "a", 0.0, 0.1)]).under_way() == Tally().under_way() == UNDER_WAY


def test_a_stream_that_breaks_though_nobody_died_has_lost_something() -> None:
    """Whatever its agent said; one that was refused has not."""
    tally = Tally(broken=[Broken("stream-1", 4, 9.0), Broken("stream-2", 0, 9.0)], faults=[1.0])
    assert unheard(tally, [], dies=False) == 1
    assert unheard(tally, [], dies=True) == 0


def test_recovery_is_when_calls_of_either_kind_have_an_answer() -> None:
    """To what was asked after the fault."""
    keyed, plain = Answer("keyed-1", "x", "a", 2.1, 2.5), Answer("plain-1", "y", "a", 2.2, 3.0)
    early = Answer("keyed-0", "z", "a", 1.9, 2.0)
    assert Tally([early, keyed], [plain]).recovered(2.0) == 1000


def test_calls_that_were_let_through_count_though_their_answers_are_lost() -> None:
    """From when they were begun to when they were worked on."""
    tally = Tally(rationed={"rationed-1": 1.0, "rationed-2": 2.0})
    ledger = [("rationed-1", "x", "1.5"), ("keyed-1", "y", "1.0")]
    assert admitted(tally, ledger) == [(1.0, 1.5)]


def test_a_window_with_more_calls_than_a_limit_lets_through_is_seen() -> None:
    """Counting only calls that lie in it whole."""
    steady = [(number / RATE, number / RATE) for number in range(100)]
    burst = [(2.0, 2.01)] * BURST
    assert over_admitted(steady) == 0
    assert over_admitted(burst) == 0
    assert over_admitted([*burst, *burst]) == BURST - 1
    assert over_admitted([(0.0, 100.0), *[(50.0, 50.0)] * BURST]) == 0


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 2)), max_size=150))
def test_the_worst_window_is_the_worst_of_all(calls: list[tuple[float, float]]) -> None:
    """Of those that begin with one call and end with another."""
    spans = [(began, began + took) for began, took in calls]
    windows = [(opening, end) for opening, _ in spans for _, end in spans if end >= opening]
    worst = 0.0
    for opening, end in windows[:: max(1, len(windows) // 2000)]:
        inside = sum(began >= opening and ended <= end for began, ended in spans)
        worst = max(worst, inside - 2 - 3 * (end - opening))
    found = over_admitted(spans, 3, 2)
    assert found >= int(worst)
    assert len(windows) > 2000 or found == int(worst + 1e-6)


def test_what_is_left_over_is_what_was_not_there_before() -> None:
    """Links come back, and one connection for news stays."""
    link, redis = 'front a2a_open_streams{method="/a2amesh.v1.PeerService/Link"}', "front a2a_calls_in_flight"
    news = 'front a2a_store_connections_in_use{store="redis"}'
    assert left(Counter({redis: 1}), Counter({redis: 2, link: 2, news: 1})) == {redis: 1}
    assert left(Counter(), Counter({link: 3, news: 2})) == {link: 1, news: 1}


def test_readme_and_docs_tell_of_every_fault_that_is_done() -> None:
    """And of no other; the page has a line for each, the README one for each group."""
    page = (HOUSE / "docs" / "chaos.md").read_text(encoding="utf-8")
    readme = (HOUSE / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \| \d", page, re.MULTILINE)) == FAULTS
    assert {fault for group in GROUPS for fault in group.faults} == FAULTS - {"none"}
    for group in GROUPS:
        assert f"| {group.about} |" in readme


def test_tables_show_what_went_wrong() -> None:
    """In one number for a group, and each by itself."""
    rows = [row("agent_killed", rounds=20, calls=1000, doubled=2, leaked=1), row("none", calls=7)]
    assert "| 20 | 1,000 | 0 | 3 | 0 |" in short(rows)
    assert "| `agent_killed` | 20 | 1000 | 0 | 0 | 2 | 0 | 0 | 0 | 1 | 0 |" in whole(rows)


def test_reasons_are_counted_whatever_kind_of_call_met_them() -> None:
    """The most frequent ones are named."""
    assert seen({}) == "none"
    assert seen({"AGENT_LOST": 1, "plain AGENT_LOST": 3, "stream NODE_LOST": 2}) == "AGENT_LOST 4, NODE_LOST 2"
    assert seen({"A": 5, "B": 4, "C": 3, "D": 2, "E": 1}) == "A 5, B 4, C 3, D 2, …"


def test_links_from_other_nodes_are_told_from_other_streams() -> None:
    """Before and after are compared only where all of them are there."""
    open_ = Counter({'a2a_open_streams{method="/a2amesh.v1.PeerService/Link"}': 2, "a2a_calls_in_flight": 3})
    open_['a2a_open_streams{method="/a2amesh.v1.RegistryService/WatchAgents"}'] = 5
    assert links(open_) == 2
