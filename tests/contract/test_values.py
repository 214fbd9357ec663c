"""What every cache of values promises."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from a2a_node.model.errors import StoreUnavailable, ValueNotNumber
from a2a_node.model.payload import JSON, TEXT, Payload
from a2a_node.model.state import CachedValue
from a2a_node.model.state_ports import Values
from tests.contract.states import House

LARGEST = (1 << 63) - 1
EXAMPLES: Mapping[str, Payload] = {
    "struct": Payload({"a": [1, 2.5, None, {"b": "ü"}], "huge": int(1e300)}),
    "text": Payload("grüezi", TEXT),
    "data": Payload(b"\x00\xff}{", "image/png"),
    "empty": Payload(b"", JSON),
}


@pytest.fixture
def values(state_house: House) -> Values:
    """A cache with nothing in it."""
    return state_house.values


def value(body: str = "tea", ttl: float = 60.0) -> CachedValue:
    """A text to keep."""
    return CachedValue(Payload(body, TEXT), ttl)


async def read(values: Values, namespace: str = "n", key: str = "k") -> Payload | None:
    """The payload under a key."""
    kept = await values.get(namespace, key)
    return None if kept is None else kept.payload


@pytest.mark.parametrize("payload", EXAMPLES.values(), ids=EXAMPLES)
async def test_a_value_comes_back_as_it_was(values: Values, payload: Payload) -> None:
    """Body, encoding and media type are kept."""
    assert await values.put("n", "k", CachedValue(payload, 60.0))
    assert await read(values) == payload


async def test_an_absent_value_is_no_error(values: Values) -> None:
    """Reading and deleting what is not there says so."""
    assert await values.get("n", "k") is None
    assert not await values.delete("n", "k")


async def test_a_key_is_its_namespace_and_its_name(values: Values) -> None:
    """The same key in two namespaces is two values, whatever characters it has."""
    await values.put("a", "}b:{c", value("one"))
    await values.put("a.b", "}b:{c", value("two"))
    assert await read(values, "a", "}b:{c") == Payload("one", TEXT)
    assert await read(values, "a.b", "}b:{c") == Payload("two", TEXT)


async def test_a_value_is_forgotten_after_its_ttl(state_house: House, values: Values) -> None:
    """It is there while its time runs, and then no more."""
    await values.put("n", "k", value(ttl=60.0))
    await state_house.elapse(59)
    kept = await values.get("n", "k")
    assert kept is not None
    assert 0 < kept.ttl <= 1
    await state_house.elapse(1)
    assert await values.get("n", "k") is None


async def test_another_value_brings_its_own_ttl(state_house: House, values: Values) -> None:
    """Replacing a value replaces all of it."""
    await values.put("n", "k", value(ttl=60.0))
    await values.put("n", "k", CachedValue(Payload(b"", JSON), 120.0))
    await state_house.elapse(60)
    assert await read(values) == Payload(b"", JSON)


async def test_only_one_of_many_stores_where_nothing_was(values: Values) -> None:
    """Of twenty who store only if absent, one does, and its value stays."""
    stored = await asyncio.gather(
        *(values.put("n", "k", value(str(number)), only_if_absent=True) for number in range(20))
    )
    assert sum(stored) == 1
    assert await read(values) == Payload(str(stored.index(True)), TEXT)


async def test_a_deleted_value_is_gone(values: Values) -> None:
    """Deleting says that there was one."""
    await values.put("n", "k", value())
    assert await values.delete("n", "k")
    assert await values.get("n", "k") is None
    assert await values.put("n", "k", value(), only_if_absent=True)


async def test_no_increment_is_lost(values: Values) -> None:
    """Fifty at once give fifty different sums."""
    counters = await asyncio.gather(*(values.increment("n", "k", 2, 60.0) for _ in range(50)))
    assert sorted(counter.value for counter in counters) == list(range(2, 102, 2))
    assert await read(values) == Payload("100", TEXT)


async def test_a_counter_keeps_the_ttl_it_was_made_with(state_house: House, values: Values) -> None:
    """Counting on does not prolong its life, so that it counts over a fixed window."""
    await values.increment("n", "k", 1, 60.0)
    await state_house.elapse(40)
    again = await values.increment("n", "k", -5, 60.0)
    assert again.value == -4
    assert again.ttl <= 20
    await state_house.elapse(20)
    assert (await values.increment("n", "k", 1, 60.0)).value == 1


async def test_a_number_that_was_stored_can_be_counted_on(values: Values) -> None:
    """A text that is a whole number is one, whoever stored it."""
    await values.put("n", "k", value("41"))
    assert (await values.increment("n", "k", 1, 60.0)).value == 42


@pytest.mark.parametrize("body", ["tea", "", "1.5", "01", "+1", " 1", "-0", "9" * 19, "1" * 30])
async def test_what_is_no_whole_number_is_not_incremented(values: Values, body: str) -> None:
    """It is refused, and the value stays as it was."""
    await values.put("n", "k", value(body))
    with pytest.raises(ValueNotNumber):
        await values.increment("n", "k", 1, 60.0)
    assert await read(values) == Payload(body, TEXT)


async def test_bytes_are_no_number(values: Values) -> None:
    """Even when they look like one."""
    await values.put("n", "k", CachedValue(Payload(b"1"), 60.0))
    with pytest.raises(ValueNotNumber):
        await values.increment("n", "k", 1, 60.0)


@pytest.mark.parametrize(("start", "delta"), [(LARGEST, 1), (-LARGEST, -2)])
async def test_a_sum_beyond_64_bits_is_refused(values: Values, start: int, delta: int) -> None:
    """Up to there it counts exactly; beyond, the counter stays as it was."""
    assert (await values.increment("n", "k", start, 60.0)).value == start
    with pytest.raises(ValueNotNumber):
        await values.increment("n", "k", delta, 60.0)
    assert await read(values) == Payload(str(start), TEXT)


async def test_reads_miss_and_the_rest_says_so_while_redis_is_away(state_house: House, values: Values) -> None:
    """Readers do their work themselves; afterwards all is there as before."""
    await values.put("n", "k", value())
    await state_house.lose()
    assert await values.get("n", "k") is None
    for attempt in (
        values.put("n", "k", value("other")),
        values.delete("n", "k"),
        values.increment("n", "k", 1, 60.0),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt
    await state_house.recover()
    assert await read(values) == Payload("tea", TEXT)
