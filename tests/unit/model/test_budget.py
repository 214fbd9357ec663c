"""Amounts of a budget, and who says what was used of it."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.budget import MOST, MOST_UNITS, Spending, checked_amounts, read, written
from a2a_node.model.errors import InvalidInput

UNITS = st.from_regex(r"[a-z][a-z0-9_.-]{0,62}", fullmatch=True)


@given(st.dictionaries(UNITS, st.integers(0, MOST), max_size=MOST_UNITS))
def test_what_is_written_into_metadata_is_read_as_it_was(amounts: dict[str, int]) -> None:
    """For any amounts that may be."""
    assert read(written(amounts)) == amounts
    assert checked_amounts("budget", amounts) is amounts


@pytest.mark.parametrize("text", ["tokens", "tokens=-1", "tokens=1.5", "=1", "Tokens=1", "t=٣", f"t={MOST + 1}", ","])
def test_what_makes_no_sense_in_metadata_is_refused(text: str) -> None:
    """It names the entry."""
    with pytest.raises(InvalidInput):
        read(text)


@pytest.mark.parametrize("amounts", [{"": 1}, {"Calls": 1}, {"calls": -1}, {"calls": MOST + 1}])
def test_wrong_amounts_are_refused(amounts: dict[str, int]) -> None:
    """The field is named."""
    with pytest.raises(InvalidInput, match="budget"):
        checked_amounts("budget", amounts)


def test_there_are_not_too_many_units() -> None:
    """A budget is kept for as long as its tree lives."""
    with pytest.raises(InvalidInput, match="17 units"):
        checked_amounts("budget", {f"u{number}": 1 for number in range(MOST_UNITS + 1)})


def test_what_was_spent_is_taken_once() -> None:
    """And what could not be settled comes back."""
    spending = Spending({"tokens": 100, "cents": 5})
    spending.spend("tokens", 30)
    spending.spend("tokens", 30)
    spending.spend("cents", 9)
    spending.spend("unlimited", 9)
    assert spending.left() == {"tokens": 40, "cents": 0}
    taken = spending.take()
    assert taken == {"tokens": 60, "cents": 9}
    assert spending.take() == {}
    spending.spend("tokens", 1)
    spending.untake(taken)
    assert spending.take() == {"tokens": 61, "cents": 9}


@given(st.lists(st.integers(0, 50)), st.data())
def test_what_is_told_twice_counts_once(amounts: list[int], data: st.DataObject) -> None:
    """An agent's reports, and the totals that come with its calls, which may be ahead of them or late."""
    agent, node, taken = Spending({"tokens": 1000}), Spending({"tokens": 1000}), 0
    for amount in amounts:
        agent.spend("tokens", amount)
    totals = [sum(amounts[:number]) for number in range(1, len(amounts) + 1)]
    ahead = 0
    for amount in amounts:
        for total in data.draw(st.lists(st.sampled_from(totals), max_size=3)):
            node.reach({"tokens": total, "unlimited": 3})
            ahead = max(ahead, total)
            taken += node.take().get("tokens", 0)
            assert taken >= ahead
        node.spend("tokens", amount)
    taken += node.take().get("tokens", 0)
    assert taken == agent.used().get("tokens", 0) == sum(amounts)
    assert node.left() == agent.left()


@pytest.mark.parametrize(("unit", "amount"), [("tokens", -1), ("tokens", MOST + 1), ("Tokens!", 1)])
def test_nonsense_cannot_be_spent(unit: str, amount: int) -> None:
    """Whether it is limited or not."""
    with pytest.raises(InvalidInput):
        Spending({"tokens": 1}).spend(unit, amount)


def test_threads_lose_nothing() -> None:
    """Plain functions work in threads."""
    spending, told = Spending({"tokens": MOST}), list[int]()
    spending.told = lambda: told.append(1)

    def work() -> None:
        for _ in range(1000):
            spending.spend("tokens", 1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spending.take() == {"tokens": 8000}
    assert told == [1]
