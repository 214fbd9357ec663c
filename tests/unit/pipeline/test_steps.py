"""Steps of runs: what they continue, and that nobody but the node's own engine brings them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from a2a_node.access.spiffe import Spiffe
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import CallLoop, EnvelopeInvalid
from a2a_node.model.principal import NOBODY, Principal
from a2a_node.model.trace import Trace
from a2a_node.model.warrants import StepOfRun, Warrant
from a2a_node.pipeline.envelope import EnvelopeRules, Envelopes
from a2a_node.pipeline.steps import Parents
from a2a_node.testing import OneSecret
from a2a_node.wire.calls import CALL_TOKEN, ENGINE_KEY, WARRANT
from a2a_node.wire.seals import Seals
from a2a_node.wire.warrants import entries_of, from_warrant, to_warrant

ANN, CREW = Principal("person", "ann"), Principal("agent", "crew")
KEY = "the key of the engine"
PLAIN = Warrant("run", ANN, root="run")
FULL = Warrant(
    "run",
    CREW,
    ("agent:*:invoke",),
    "k1",
    (ANN, CREW),
    (("agent:echo:invoke",),),
    ("crew",),
    "root",
    "purse",
    Trace(7, 9, sampled=True, state="shop=7"),
    "tenant=7",
)


async def done(_: Call) -> None:
    """Nothing more to do."""


def no_token(_: str) -> Envelope:
    """No call is at work here."""
    raise AssertionError


def step(warrant: Warrant = PLAIN, agent: str = "echo", *, door: str = "engine", key: str = KEY) -> Call:
    """The call of a step as it arrives."""
    entries = dict(entries_of(key, from_warrant(warrant), StepOfRun("run", "build")))
    return Call(method="/m", rest=done, agent=agent, id="c", time_left=9.0, door=door, metadata=entries)  # type: ignore[arg-type]


async def entered(call: Call, key: str = KEY) -> Call:
    """The call behind the envelope layer."""
    parents = Parents(no_token, key)
    await Envelopes(EnvelopeRules(), parents.of, lambda _: 0, Seals("one", OneSecret()), Spiffe().principal).check(
        call, done
    )
    return call


@pytest.mark.parametrize("warrant", [PLAIN, FULL], ids=["plain", "full"])
def test_a_warrant_is_read_as_it_was_written(warrant: Warrant) -> None:
    """All of it; and no bytes that nobody has written."""
    assert to_warrant(from_warrant(warrant)) == warrant
    for bad in (b"", None, "text", b"\xff", from_warrant(replace(warrant, principal=NOBODY))):
        with pytest.raises(EnvelopeInvalid):
            to_warrant(bad)


async def test_a_step_continues_what_its_run_was_started_by() -> None:
    """Its principal and keys, its path, its tree and its budget; its time is the call's own."""
    call = await entered(step(FULL))
    envelope = call.envelope
    assert envelope is not None
    assert (call.principal, call.scopes, call.step) == (CREW, ("agent:*:invoke",), StepOfRun("run", "build"))
    assert call.proof is not None
    assert call.proof.key == "k1"
    assert (envelope.path, envelope.parent, envelope.root, envelope.id) == (("crew", "echo"), "run", "root", "c")
    assert (envelope.authority, envelope.scopes) == ((ANN, CREW), (("agent:echo:invoke",),))
    assert (envelope.budget, envelope.tree, envelope.allowance) == ({}, "purse", 9.0)
    assert call.metadata["traceparent"] == str(FULL.trace)
    assert (call.metadata["tracestate"], call.metadata["baggage"]) == ("shop=7", "tenant=7")


async def test_a_run_that_nobody_bounds_begins_a_tree_without_a_budget() -> None:
    """Its own id is the root's."""
    envelope = (await entered(step())).envelope
    assert envelope is not None
    assert (envelope.path, envelope.parent, envelope.root, envelope.budget) == (("echo",), "run", "run", None)


async def test_a_circle_through_a_run_is_refused() -> None:
    """The agent that has started it is on the path."""
    with pytest.raises(CallLoop):
        await entered(step(FULL, agent="crew"))


@pytest.mark.parametrize("door", ["", "peers"])
async def test_warrants_come_in_at_the_engines_door_alone(door: str) -> None:
    """Each of the two entries alone is too much elsewhere."""
    for name in (WARRANT, ENGINE_KEY):
        call = step(door=door)
        call.metadata = {name: call.metadata[name]}
        call.agent = "" if door else call.agent  # what has an agent there needs a sealed envelope in any case
        with pytest.raises(EnvelopeInvalid) as refused:
            await entered(call)
        assert refused.value.variables["problem"] == "door"
        assert call.principal is NOBODY


@pytest.mark.parametrize("key", ["", "another", KEY + "x", "kÿ"])
async def test_the_engine_shows_its_key(key: str) -> None:
    """With any other nobody comes in, whatever the warrant says; and where there is no key nobody does."""
    for held in (KEY, ""):
        call = step(FULL, key=key)
        with pytest.raises(EnvelopeInvalid) as refused:
            await entered(call, held)
        assert refused.value.variables["problem"] == "forged"
        assert (call.principal, call.envelope) == (NOBODY, None)


async def test_what_else_comes_in_at_the_engines_door_is_refused() -> None:
    """No warrant, a broken one, or a call token beside it."""
    for change in ({WARRANT: b""}, {WARRANT: b"\xff"}, {CALL_TOKEN: "c.t"}):
        call = step()
        call.metadata = {**call.metadata, **change}  # type: ignore[dict-item]
        with pytest.raises(EnvelopeInvalid):
            await entered(call)
