"""What an agent knows of its call, and its own calls."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from types import MappingProxyType

import pytest
from pydantic import BaseModel

from a2a_node.agent import Context, Payload
from a2a_node.model.budget import Spending
from a2a_node.model.call import Terms
from a2a_node.model.errors import NoInstance


class Point(BaseModel):
    """A place."""

    x: int


@dataclass
class Mesh:
    """Answers every call with the same payloads, and remembers what it was asked."""

    answers: tuple[Payload, ...] = (Payload(b'{"ok":true}'),)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    closed: bool = False

    async def call(self, agent: str, capability: str, payload: Payload, terms: Terms) -> Payload:
        """The first answer."""
        self.asked.append((agent, capability, payload, terms.token, terms.time_left, terms.reserve))
        return self.answers[0]

    async def stream(self, agent: str, capability: str, payload: Payload, terms: Terms) -> AsyncIterator[Payload]:
        """All answers."""
        self.asked.append((agent, capability, payload, terms.token, terms.time_left, terms.reserve))
        try:
            for answer in self.answers:
                yield answer
        finally:
            self.closed = True


async def test_a_child_call_carries_the_token_and_the_time_left() -> None:
    """Its input goes as JSON bytes; its output comes back as Python."""
    mesh = Mesh()
    context = Context("c1", "a", token="t", deadline=time.monotonic() + 100, mesh=mesh)
    assert await context.call("b", "say", {"text": "hi"}) == {"ok": True}
    (agent, capability, payload, token, left, _) = mesh.asked[0]
    assert (agent, capability, payload, token) == ("b", "say", Payload(b'{"text":"hi"}'), "t")
    assert isinstance(left, float)
    assert 0 < left <= 100


async def test_a_child_call_names_what_it_is_expected_to_use() -> None:
    """And what was spent is noted where the tree has a budget; without one it means nothing."""
    mesh = Mesh()
    context = Context("c1", "a", mesh=mesh, spending=Spending({"tokens": 100}))
    await context.call("b", reserve={"tokens": 60})
    async with aclosing(context.stream("b", reserve={"tokens": 7})) as outputs:
        assert [output async for output in outputs] == [{"ok": True}]
    assert [asked[-1] for asked in mesh.asked] == [{"tokens": 60}, {"tokens": 7}]
    context.spend("tokens", 30)
    assert context.budget == {"tokens": 70}
    free = Context("c1", "a")
    free.spend("tokens", 30)
    assert free.budget == {}


async def test_a_child_call_needs_no_input() -> None:
    """It is an empty object then, and the only capability needs no name."""
    mesh = Mesh()
    await Context("c1", "a", mesh=mesh).call("b")
    assert mesh.asked == [("b", "", Payload(b"{}"), "", math.inf, None)]


async def test_models_may_stand_in_the_input() -> None:
    """So may any mapping be the input."""
    mesh = Mesh()
    await Context("c1", "a", mesh=mesh).call("b", "go", MappingProxyType({"to": Point(x=1)}))
    assert mesh.asked[0][2] == Payload(b'{"to":{"x":1}}')


async def test_streamed_outputs_come_one_by_one() -> None:
    """Each as Python."""
    mesh = Mesh((Payload(b'{"number":1}'), Payload({"number": 2})))
    context = Context("c1", "a", mesh=mesh)
    assert [output async for output in context.stream("b", "count", {"n": 2})] == [{"number": 1}, {"number": 2}]


async def test_a_stream_that_is_left_early_is_closed() -> None:
    """So that the other agent stops, too."""
    mesh = Mesh((Payload({"number": 1}), Payload({"number": 2})))
    async with aclosing(Context("c1", "a", mesh=mesh).stream("b")) as outputs:
        assert await anext(outputs) == {"number": 1}
    assert mesh.closed


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (Payload({"a": 1}), {"a": 1}),
        (Payload(b"[1]"), [1]),
        (Payload("words", "text/plain"), "words"),
        (Payload(b"\x00", "image/png"), b"\x00"),
    ],
)
async def test_outputs_of_every_encoding_become_python(payload: Payload, value: object) -> None:
    """JSON is read; text and other bytes are left as they are."""
    assert await Context("c1", "a", mesh=Mesh((payload,))).call("b") == value


async def test_without_a_mesh_nobody_is_within_reach() -> None:
    """The error says so."""
    context = Context("c1", "a")
    with pytest.raises(NoInstance, match="'b'"):
        await context.call("b")
    with pytest.raises(NoInstance, match="'b'"):
        await anext(context.stream("b"))


def test_time_left_is_never_negative() -> None:
    """A deadline that has passed leaves nothing."""
    assert Context("c1", "a", deadline=time.monotonic() - 1).time_left() == 0.0
    assert Context("c1", "a").time_left() == math.inf


def test_a_call_is_cancelled_once() -> None:
    """The event stays the same one."""
    context = Context("c1", "a")
    assert not context.cancelled.is_set()
    context.cancelled.set()
    assert context.cancelled.is_set()
