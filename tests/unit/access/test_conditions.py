"""Conditions: what is accepted, what they see, and that none of them holds up the loop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter, thread_time

import pytest

from a2a_node.access import conditions
from a2a_node.access.conditions import OF_CALL, Conditions, bounded_context, checked_conditions, counts
from a2a_node.expressions import fence
from a2a_node.expressions.fence import ready
from a2a_node.model.errors import InvalidInput

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
FAR_TOO_LONG = 0.5  # seconds; the patience is a hundredth of it
SHORT = 0.05  # seconds of patience that nothing here needs


class Busy(dict[str, object]):
    """Values, so many of which take longer than the patience, as a collection of the interpreter does."""

    late = 1

    def get(self, key: str, default: object = None) -> object:
        """A value, perhaps late."""
        if self.late:
            self.late -= 1
            work()
        return super().get(key, default)


def work() -> None:
    """Take more of the processor than the patience."""
    until = thread_time() + 1.1 * SHORT
    while thread_time() < until:
        pass


@pytest.fixture(autouse=True)
async def _engine() -> None:
    """The engine is loaded."""
    await ready()


def holds(text: str, uses: int = 0, patience: float = 1.0, **context: object) -> bool:
    """Whether a condition holds of a call at noon."""
    asked = Conditions(patience)
    values: Mapping[str, object] = {"now": NOON, "call": {**OF_CALL, "payload_bytes": 100}, "context": context}
    with asked.asked(values):
        return asked.hold((text,), uses)


@pytest.mark.parametrize(
    "text",
    [
        'now.getHours("UTC") < 18',
        'now.getHours("Europe/Berlin") == 13',
        'now.getMinutes("+05:30") == 30 && now.getHours("-02:00") == 10',
        "now.getDayOfWeek() == 1 && now.getDayOfWeek('UTC') == 1",
        "now.getFullYear('UTC') == 2026 && now.getMonth('UTC') == 10 && now.getDate('UTC') == 23",
        "now.getDayOfMonth('UTC') == 22 && now.getDayOfYear('UTC') == 326 && now.getSeconds('UTC') == 0",
        'now < timestamp("2027-01-01T00:00:00Z")',
        "uses < 100",
        'context.project == "atlas"',
        '"project" in context && context.roles.exists(r, r == "admin")',
        "call.payload_bytes <= 65536 && call.cost == 1",
        'call.principal == "person:ada" && call.agent.startsWith("e")',
    ],
)
def test_time_use_context_and_resources_are_seen(text: str) -> None:
    """Each of these is accepted, and true."""
    assert checked_conditions("conditions", [text]) == (text,)
    assert holds(text, project="atlas", roles=["user", "admin"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "1 to 1024"),
        ("true" + " " * 1024, "1 to 1024"),
        ("true // a comment\n", "line ends"),
        ("1 +", "is no CEL expression"),
        ("uses", "true or false"),
        ("uses < 'ten'", "cannot be compared"),
        ("nobody == 1", "reads 'nobody'"),
        ("call.weather == 1", "call has:"),
        ("'aaaa'.matches('(a{50}){50}')", "calls 'matches'"),
        ("[1, 2].map(x, x * 2) == [2, 4]", "calls 'map'"),
        ("context.l.map(x, context.l.map(y, context.l.map(z, x))) != []", "calls 'map'"),
        ("context.l.all(x, context.l.all(y, x == y))", "more than one loop"),
        ("[1].exists(x, x == 1) && [2] . exists  (y, y == 2)", "more than one loop"),
        ("context.l.exists(x, x + x == 'aa')", "adds beside a loop"),
    ],
)
def test_what_is_no_condition_or_could_take_too_long_is_refused(text: str, why: str) -> None:
    """The message says what is wrong, and which one."""
    with pytest.raises(InvalidInput, match=why) as refused:
        checked_conditions("conditions", ["true", text])
    assert refused.value.violations[0][0] == "conditions[1]"


def test_a_grant_has_so_many_conditions_and_no_more() -> None:
    """Eight."""
    assert len(checked_conditions("conditions", ["true"] * 8)) == 8
    with pytest.raises(InvalidInput, match="the limit is 8"):
        checked_conditions("conditions", ["true"] * 9)


@pytest.mark.parametrize(
    "text", ["context.absent == 1", "1 / 0 == 1", "now.getHours('Mars') >= 0", "context.n < 3", "context['x'][9] == 1"]
)
def test_one_that_fails_counts_as_false(text: str) -> None:
    """A missing name, a division by zero, an unknown zone, a wrong type."""
    assert not holds(text, n="three")


def test_one_that_was_never_accepted_counts_as_false() -> None:
    """However it came into the store."""
    assert not holds("[1, 2].map(x, x) == [1, 2]")


def test_one_that_would_never_end_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even past the check: a hundred million steps end within a moment, and count as false."""
    monkeypatch.setattr(conditions, "_fault", lambda _: "")
    begun = perf_counter()
    text = "context.l.map(x, context.l.map(y, context.l.map(z, context.l.map(w, 1)))) != []"
    assert not holds(text, patience=0.005, l=list(range(100)))
    assert perf_counter() - begun < FAR_TOO_LONG


def test_the_dearest_condition_that_is_accepted_is_cheap() -> None:
    """The longest loop over the longest text, in all eight conditions."""
    body = " || ".join(["x == uses"] * 70)
    dearest = f"context.l.exists(x, {body})"
    assert checked_conditions("conditions", [dearest]) == (dearest,)
    bounded_context("context", {"l": ["a" * 100] * 100}, 16 << 10)
    asked = Conditions()
    begun = perf_counter()
    with asked.asked({"now": NOON, "call": OF_CALL, "context": {"l": ["a" * 100] * 100}}):
        asked.hold((dearest,) * 8, 0)
    assert perf_counter() - begun < FAR_TOO_LONG


def test_the_patience_is_for_all_conditions_together() -> None:
    """None is asked once it is over."""
    asked = Conditions(patience=-1.0)
    with asked.asked({"now": NOON, "call": OF_CALL, "context": {}}):
        assert not asked.hold(("uses == 0",), 0)


@pytest.mark.parametrize(("late", "true"), [(1, True), (2, False)])
def test_time_that_is_over_is_given_once_more(late: int, *, true: bool) -> None:
    """A collection of the interpreter makes no condition false; one that takes all of it twice is."""
    values = Busy(now=NOON, call=OF_CALL, context={"n": 1})
    values.late = late
    asked = Conditions(SHORT)
    with asked.asked(values):
        assert asked.hold(("context.n == 1 && call.cost == 1 && uses == 0",), 0) is true


def test_to_compile_a_condition_takes_none_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a grant that nobody was asked about before hold at once."""
    compiled = fence.program

    def slowly(text: str) -> object:
        work()
        return compiled(text)

    monkeypatch.setattr(fence, "program", slowly)
    asked = Conditions(SHORT)
    with asked.asked({"now": NOON, "call": OF_CALL, "context": {}}):
        assert asked.hold([f"uses < {number} && call.cost == 1" for number in range(7_001, 7_006)], 0)


def test_a_context_is_bounded() -> None:
    """In bytes, and in what a loop could walk through."""
    assert bounded_context("context", {"a": [1, {"b": []}]}, 100) == {"a": [1, {"b": []}]}
    with pytest.raises(InvalidInput, match="the limit is 100"):
        bounded_context("context", {"a": "x" * 100}, 100)
    with pytest.raises(InvalidInput, match="more than 100 items"):
        bounded_context("context", {"a": {"b": list(range(101))}}, 10_000)


def test_only_those_that_ask_for_uses_are_counted() -> None:
    """The others cost no number."""
    assert counts(("true", "uses < 5"))
    assert not counts(("call.cost == 1",))
