"""Envelopes at the door of a real node: what another node has sealed goes on, all else is refused by its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import grpc
import pytest

from a2a_node.access.certificates import CERTIFICATE_FILE, KEY_FILE, ROOT_FILE
from a2a_node.access.secrets import Secrets
from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.model.audit import AuditDecision, AuditFilter
from a2a_node.model.budget import Account
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import MeshError, PermissionDenied
from a2a_node.model.names import fresh_uuid
from a2a_node.model.principal import Principal
from a2a_node.store import postgres, redis
from a2a_node.store.budgets import RedisBudgets
from a2a_node.store.secrets import PostgresSecrets
from a2a_node.testing import OneSecret
from a2a_node.wire.calls import CALL_TOKEN, ENVELOPE
from a2a_node.wire.errors import DETAILS_KEY, from_status
from a2a_node.wire.payloads import to_mapping
from a2a_node.wire.seals import Seals
from a2amesh.v1 import agent_service_pb2 as pb
from tests.integration.people import Meet, Meeting, meet

__all__ = ["meet"]

ANN, DEV = Principal("person", "ann"), Principal("person", "dev")
PATIENCE = 20.0
Metadata = Sequence[tuple[str, str | bytes]]


def teller() -> Agent:
    """An agent that tells what it knows of its call, or asks another one to."""
    agent = Agent("teller")

    @agent.capability
    async def tell(context: Context, ask: str = "", tokens: int = 0) -> object:
        """What the context says."""
        context.spend("tokens", tokens)
        if ask:
            return await context.call(ask, "say", {"text": "hello"})
        return {"path": list(context.path), "left": context.time_left(), "budget": dict(context.budget)}

    return agent


@dataclass(frozen=True, slots=True)
class House:
    """Node two, and what node one would call it with: its certificate, the mesh's secrets, and node one's own name."""

    two: Meeting
    invoke: grpc.aio.UnaryUnaryMultiCallable[pb.InvokeRequest, pb.InvokeResponse]
    outside: grpc.aio.UnaryUnaryMultiCallable[pb.InvokeRequest, pb.InvokeResponse]
    seals: Seals

    def sealed(self, call: Call, audience: str = "two") -> bytes:
        """The envelope of a call, as node one would seal it."""
        return self.seals.sealed(call, audience)

    async def carried(
        self, call: Call, sealed: bytes | None, *more: tuple[str, str], within: float = 10.0
    ) -> dict[str, object]:
        """What comes of a call that node one brings; the error that it ends with."""
        return await _asked(self.invoke, call, (*(((ENVELOPE, sealed),) if sealed else ()), *more), within)


async def _asked(
    invoke: grpc.aio.UnaryUnaryMultiCallable[pb.InvokeRequest, pb.InvokeResponse],
    call: Call,
    metadata: Metadata,
    within: float,
) -> dict[str, object]:
    request = pb.InvokeRequest(agent=call.agent, capability=call.capability, call_id=call.id)
    request.input.struct.update({"tokens": 3, **({"ask": call.peer} if call.peer else {})})
    try:
        response = await invoke(request, timeout=within, metadata=metadata)
    except grpc.aio.AioRpcError as failure:
        details = dict(failure.trailing_metadata() or ()).get(DETAILS_KEY)
        known = details if isinstance(details, bytes) else None
        raise from_status(failure.code().name, failure.details() or "", known) from None
    return to_mapping(response.output.struct)


async def _rest(_: Call) -> None:
    """Nothing is done here."""


def child(principal: Principal = DEV, left: float = 8.0, *, ask: str = "") -> Call:
    """A call of agent `crowd` for somebody, as node one has let it through."""
    made = Call(method="/m", rest=_rest, id=fresh_uuid(), agent="teller", capability="tell", peer_of=lambda: ask)
    made.principal = Principal("node", "one")
    authority = (principal, Principal("agent", "crowd"))
    made.envelope = Envelope(
        monotonic() + left, left, ("crowd", "teller"), fresh_uuid(), fresh_uuid(), authority, made.id
    )
    return made


def _channel(place: Path, address: str) -> grpc.aio.Channel:
    root, certificate, key = (place / name for name in (ROOT_FILE, CERTIFICATE_FILE, KEY_FILE))
    credentials = grpc.ssl_channel_credentials(root.read_bytes(), key.read_bytes(), certificate.read_bytes())
    name = (("grpc.ssl_target_name_override", "two.nodes.a2a.local"),)
    return grpc.aio.secure_channel(address, credentials, options=name)


@pytest.fixture
async def house(meet: Meet, tmp_path: Path, postgres_url: str) -> AsyncIterator[House]:
    """Two nodes on one Postgres and one Redis, the teller attached to the second."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(meet("one"))
        two = await stack.enter_async_context(meet("two"))
        await stack.enter_async_context(attached(teller(), two.node.grpc_address, key=two.dev_key))
        database = await stack.enter_async_context(postgres.connected(postgres_url, patience=PATIENCE))
        secrets = await stack.enter_async_context(Secrets.following(PostgresSecrets(database)))
        peers = (await two.dev.nodes.get("two")).node.peer_address
        inside = await stack.enter_async_context(_channel(tmp_path / "one", peers))
        outside = await stack.enter_async_context(grpc.aio.insecure_channel(two.node.grpc_address))
        yield House(two, _invoke(inside), _invoke(outside), Seals("one", secrets))


def _invoke(channel: grpc.aio.Channel) -> grpc.aio.UnaryUnaryMultiCallable[pb.InvokeRequest, pb.InvokeResponse]:
    return channel.unary_unary(
        "/a2amesh.v1.AgentService/Invoke", pb.InvokeRequest.SerializeToString, pb.InvokeResponse.FromString
    )


async def refused(work: Awaitable[object]) -> str:
    """The problem that a call is refused for."""
    with pytest.raises(MeshError) as failure:
        await work
    assert failure.value.reason == "ENVELOPE_INVALID", failure.value
    assert failure.value.code == "UNAUTHENTICATED"
    return failure.value.variables["problem"]


async def test_a_call_goes_on_at_another_node_as_it_was(house: House) -> None:
    """Its path, its deadline, and for whom it is made; and its agent's own calls continue it there."""
    good = child()
    answer = await house.carried(good, house.sealed(good))
    assert answer["path"] == ["crowd", "teller"]
    record = await house.two.dev.get_call(good.id)
    assert good.envelope is not None
    assert (record.path, record.parent, record.root) == (good.envelope.path, good.envelope.parent, good.envelope.root)
    asking = child(ask="echo")
    assert await house.carried(asking, house.sealed(asking)) == {"text": "hello"}
    circle = child(ask="crowd")
    with pytest.raises(MeshError) as loop:
        await house.carried(circle, house.sealed(circle))
    assert loop.value.reason == "CALL_LOOP"


async def test_what_is_forged_replayed_stripped_or_raised_is_refused_and_audited(house: House) -> None:
    """Each by its name; nothing of it reaches the agent."""
    good = child()
    sealed = house.sealed(good)
    await house.carried(good, sealed)
    once_more, other = child(), child()
    raised = child()
    assert raised.envelope is not None
    wider = raised.envelope._replace(deadline=raised.envelope.deadline + 500, authority=(DEV,), path=("teller",))
    stranger = Seals("one", OneSecret(), monotonic)
    own = house.sealed(raised)
    raised.envelope = wider
    unsigned = own[:49] + stranger.sealed(raised, "two")[49:]
    changed = bytearray(house.sealed(once_more))
    changed[-1] ^= 1
    problems = {
        "replayed": house.carried(good, sealed),
        "stripped": house.carried(child(), None),
        "forged": house.carried(once_more, bytes(changed)),
        "raised": house.carried(raised, unsigned),
        "unknown secret": house.carried(raised, stranger.sealed(raised, "two")),
        "audience": house.carried(other, house.sealed(other, "three")),
        "mismatch": house.carried(child(), house.sealed(child())),
        "malformed": house.carried(child(), b"envelope"),
        "token": house.carried(other, house.sealed(other), (CALL_TOKEN, "t")),
        "stolen": house.carried(other, Seals("three", house.seals._secrets).sealed(other, "two")),  # noqa: SLF001
        "door": _asked(house.outside, other, ((ENVELOPE, house.sealed(other)),), 10.0),
        "door with a key": _asked(
            house.outside,
            other,
            ((ENVELOPE, house.sealed(other)), ("authorization", f"Bearer {house.two.dev_key}")),
            10.0,
        ),
    }
    named = {"raised": "forged", "token": "mismatch", "stolen": "mismatch", "door with a key": "door"}
    for problem, attempt in problems.items():
        assert await refused(attempt) == named.get(problem, problem), problem
    async with asyncio.timeout(PATIENCE):
        while True:
            listed = house.two.dev.audit.list(AuditFilter(decision=AuditDecision.REFUSED))
            found = [event.fact async for event in listed if event.fact.reason == "ENVELOPE_INVALID"]
            if found:
                break
    assert {fact.agent_id for fact in found} == {"teller"}


async def test_more_time_is_not_to_be_had_on_the_way(house: House) -> None:
    """Whatever the RPC's own deadline says."""
    short = child(left=2.0)
    answer = await house.carried(short, house.sealed(short), within=PATIENCE)
    assert 0 < float(str(answer["left"])) < 2.0


async def test_who_may_not_on_one_node_may_not_through_another(house: House) -> None:
    """The second node asks in whose name a call is made, and grants decide there as they do here."""
    forbidden = child(ANN)
    with pytest.raises(PermissionDenied, match="person:ann"):
        await house.carried(forbidden, house.sealed(forbidden))
    await house.two.dev.grants.give("person:ann", "agent:teller:invoke")
    allowed = child(ANN)
    await house.carried(allowed, house.sealed(allowed))
    bounded = child(ANN)
    bounded.scopes = ("agent:echo:invoke",)
    with pytest.raises(PermissionDenied, match="the key"):
        await house.carried(bounded, house.sealed(bounded))


async def test_a_budget_goes_along_and_what_is_used_there_counts(house: House, redis_url: str) -> None:
    """The first node reserves and settles, the second reports."""
    async with redis.connected(redis_url, patience=PATIENCE) as server:
        budgets, call = RedisBudgets(server), child()
        envelope = call.envelope
        assert envelope is not None
        account = Account(envelope.root, call.id, envelope.root)
        await budgets.open(envelope.root, {"tokens": 100, "calls": 2}, 60.0)
        left = await budgets.reserve(account, {"tokens": 50}, {})
        call.envelope = envelope._replace(budget=left)
        answer = await house.carried(call, house.sealed(call))
        assert answer["budget"] == {"calls": 1, "tokens": 97}
        assert await budgets.settle(account, {}, worked=True) == {"tokens": 3, "calls": 0}
