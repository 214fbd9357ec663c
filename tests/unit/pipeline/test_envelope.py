"""The envelope layer: deadlines are bounded, hops are counted, circles are refused."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.access.spiffe import Spiffe
from a2a_node.model.call import Call, Layer
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import CallLoop, DeadlineExceeded, EnvelopeInvalid, TooManyHops
from a2a_node.model.principal import NOBODY, Principal
from a2a_node.pipeline.envelope import EnvelopeRules, Envelopes, allowed
from a2a_node.testing import OneSecret
from a2a_node.wire.calls import CALL_TOKEN, ENVELOPE
from a2a_node.wire.seals import Seals

ANN = Principal("person", "ann")
SECRETS = OneSecret()
RULES = EnvelopeRules(default_deadline=30, max_deadline=60, max_hops=3)


async def done(_: Call) -> None:
    """Nothing more to do."""


def call(agent: str, time_left: float | None = None, token: str = "") -> Call:
    """A call as it arrives."""
    metadata = {CALL_TOKEN: token} if token else {}
    return Call(method="/m", rest=done, agent=agent, id="c", time_left=time_left, metadata=metadata)


def layered(parent: Envelope | None = None, revisits: int = 0) -> Layer:
    """The layer under test, where any token continues `parent`."""
    return Envelopes(RULES, lambda _: parent, lambda _: revisits, Seals("two", SECRETS), Spiffe().principal).check


async def test_a_call_without_a_deadline_gets_the_default() -> None:
    """And its path begins with its agent."""
    seen = call("a")
    await layered()(seen, done)
    assert seen.envelope is not None
    assert seen.envelope.allowance == 30
    assert seen.envelope.path == ("a",)
    assert seen.envelope.root == "c"


async def test_a_child_continues_its_parents_path_and_time() -> None:
    """Nothing of it is taken from the client but the token."""
    parent = Envelope(monotonic() + 5, 5, path=("a",), root="r", id="p")
    seen = call("b", 20.0, token="t")
    await layered(parent)(seen, done)
    assert seen.envelope is not None
    assert seen.envelope.path == ("a", "b")
    assert (seen.envelope.parent, seen.envelope.root, seen.envelope.id) == ("p", "r", "c")
    assert seen.envelope.allowance <= 5


async def test_a_circle_is_refused_before_any_work() -> None:
    """A > B > A is a loop unless the agent allows a revisit."""
    parent = Envelope(monotonic() + 5, 5, path=("a", "b"), root="r")
    with pytest.raises(CallLoop):
        await layered(parent)(call("a", token="t"), done)
    await layered(parent, revisits=1)(call("a", token="t"), done)


async def test_too_many_hops_are_refused() -> None:
    """The fourth agent on a path of three is one too many."""
    parent = Envelope(monotonic() + 5, 5, path=("a", "b", "c"), root="r")
    with pytest.raises(TooManyHops):
        await layered(parent)(call("d", token="t"), done)


async def test_the_deadline_ends_the_rest_of_the_call() -> None:
    """DEADLINE_EXCEEDED says how long it was given; a TimeoutError of the agent's own passes."""

    async def slow(_: Call) -> None:
        await asyncio.Event().wait()

    async def own(_: Call) -> None:
        raise TimeoutError

    with pytest.raises(DeadlineExceeded, match=r"0\.010"):
        await layered()(call("a", 0.01), slow)
    with pytest.raises(TimeoutError):
        await layered()(call("a", 10.0), own)


async def test_an_endless_stream_has_no_deadline_of_its_own() -> None:
    """A watch lives until somebody ends it."""
    seen = call("")
    seen.endless = True
    await layered()(seen, done)


def carried(envelope: Envelope, time_left: float | None = None) -> Call:
    """A call that node one hands on to node two."""
    at_one = call(envelope.path[-1])
    at_one.principal, at_one.scopes, at_one.envelope = ANN, ("agent:*:invoke",), envelope
    at_two = call(envelope.path[-1], time_left)
    at_two.door, at_two.identities_of = "peers", lambda: ["spiffe://a2a.local/node/one", "one.nodes.a2a.local"]
    at_two.metadata = {ENVELOPE: Seals("one", SECRETS).sealed(at_one, "two")}  # type: ignore[dict-item]
    return at_two


def handed(path: tuple[str, ...] = ("a", "b"), left: float = 20.0) -> Envelope:
    """A child call of Ann's, as node one has it."""
    return Envelope(monotonic() + left, left, path, "p", "r", (ANN, Principal("agent", "a")), "c")


async def test_what_a_node_hands_on_goes_on_as_the_same_call() -> None:
    """With its principal, its path, its tree and its deadline; the node that carried it is noted."""
    layer = layered()
    seen = carried(handed())
    await layer(seen, done)
    assert seen.envelope is not None
    assert (seen.principal, seen.scopes, seen.carrier) == (ANN, ("agent:*:invoke",), "one")
    assert (seen.envelope.path, seen.envelope.parent, seen.envelope.root) == (("a", "b"), "p", "r")
    assert seen.envelope.authority == (ANN, Principal("agent", "a"))
    assert 19 < seen.envelope.allowance <= 19.8
    assert seen.envelope.time_left(monotonic()) <= seen.envelope.allowance


async def test_a_node_keeps_its_own_bounds_for_what_others_hand_on() -> None:
    """The deadline of the RPC itself, the longest deadline, hops and circles."""
    layer = layered()
    short, long = carried(handed(), 5.0), carried(handed(left=500.0))
    await layer(short, done)
    await layer(long, done)
    assert short.envelope is not None
    assert long.envelope is not None
    assert (short.envelope.allowance, long.envelope.allowance) == (5.0, RULES.max_deadline)
    with pytest.raises(TooManyHops):
        await layer(carried(handed(("a", "b", "c", "d"))), done)
    with pytest.raises(CallLoop):
        await layer(carried(handed(("b", "a", "b"))), done)


async def test_nobody_comes_in_at_the_door_of_nodes_without_a_sealed_envelope() -> None:
    """What calls no agent may, such as a question about health."""
    stripped = call("a")
    stripped.door = "peers"
    with pytest.raises(EnvelopeInvalid, match="has none"):
        await layered()(stripped, done)
    asking = call("")
    asking.door = "peers"
    await layered()(asking, done)


async def test_a_node_brings_what_it_has_sealed_itself() -> None:
    """Known by its certificate, which has to be that node's."""
    layer = layered()
    for names in (["spiffe://a2a.local/node/three"], ["one.nodes.a2a.local"], ["spiffe://elsewhere/node/one"], []):
        refused = carried(handed())
        refused.identities_of = lambda names=names: names  # type: ignore[misc]
        with pytest.raises(EnvelopeInvalid, match="another node"):
            await layer(refused, done)
        assert refused.principal is NOBODY


async def test_an_envelope_that_no_node_sealed_is_refused_at_every_door() -> None:
    """Nobody is believed for bringing one; and with a call token beside it, it is not clear what goes on."""
    forged, beside, asking, outside = call("a"), carried(handed()), carried(handed()), carried(handed())
    outside.door = ""
    forged.metadata = {ENVELOPE: b"\x01" * 200}  # type: ignore[dict-item]
    beside.metadata = {**beside.metadata, CALL_TOKEN: "t"}
    asking.agent = ""
    for refused in (forged, beside, asking, outside):
        with pytest.raises(EnvelopeInvalid):
            await layered()(refused, done)
        assert refused.principal is NOBODY


@given(
    asked=st.none() | st.floats(0, 1e6),
    left=st.none() | st.floats(0, 1e6),
)
def test_no_call_ever_gets_more_time_than_it_may_have(asked: float | None, left: float | None) -> None:
    """Whatever the client asks and the parent has left."""
    parent = None if left is None else Envelope(deadline=left, allowance=left)
    allowance = allowed(RULES, call("a", asked), parent, now=0.0)
    assert 0 <= allowance <= RULES.max_deadline
    assert asked is None or allowance <= asked
    assert left is None or allowance <= left
