"""The engine's door of whole nodes: a step acts as whoever started its run, and nobody else comes in."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from a2a_node.attach import attached
from a2a_node.client.step_calls import details_of
from a2a_node.client.steps import Steps
from a2a_node.client.values import decoded, encoded
from a2a_node.core.client import Failed
from a2a_node.mesh.warranting import NewTree, Warrants
from a2a_node.model.audit import AuditOutcome
from a2a_node.model.budget import Amounts
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import BudgetExhausted, CallLoop, EnvelopeInvalid, Frozen, PermissionDenied, Unauthenticated
from a2a_node.model.places import EngineDoor
from a2a_node.model.principal import Principal, Proof
from a2a_node.model.trace import Trace
from a2a_node.store import redis
from a2a_node.store.budgets import RedisBudgets
from a2a_node.wire.errors import from_status
from a2a_node.wire.payloads import from_payload, to_payload
from a2amesh.v1 import agent_service_pb2 as pb
from tests.integration.peer_agents import PATIENCE, known
from tests.integration.people import Meet, Meeting, meet
from tests.integration.receiver import over_grpc
from tests.integration.server_house import refusal
from tests.integration.test_budgets import GATES, spender

__all__ = ["meet"]

INVOKE = "/a2amesh.v1.AgentService/Invoke"
ANN, CREW = Principal("person", "ann"), Principal("agent", "crowd")
HERE = Trace(0xABCDEF << 96, 0x1234, sampled=True)


async def done(_: Call) -> None:
    """Nothing more to do."""


@dataclass(slots=True)
class Engine:
    """What stands in for the workflow engine of a node: it calls steps of one run."""

    steps: Steps
    authority: bytes
    run_id: str

    async def call(self, agent: str, capability: str, said: object = None, *, key: str = "") -> object:
        """Call a step; any MeshError."""
        body = from_payload(encoded(said or {}))
        request = pb.InvokeRequest(agent=agent, capability=capability, input=body, idempotency_key=key)
        metadata = self.steps.metadata(self.authority, self.run_id, "build")
        try:
            answer = await self.steps.channel.ask(INVOKE, request.SerializeToString(), 20, metadata)
        except Failed as failure:
            status = failure.status
            raise from_status(status.code, status.details, details_of(status)) from None
        return decoded(to_payload(pb.InvokeResponse.FromString(answer).output))


@asynccontextmanager
async def engine(
    place: Meeting,
    redis_url: str,
    *,
    by: Proof | None = None,
    budget: Amounts | None = None,
    at: Envelope | None = None,
) -> AsyncIterator[Engine]:
    """The engine of a node with a run that somebody has started."""
    proof = by or Proof(ANN)
    call = Call("/a2amesh.v1.WorkflowService/StartRun", done, trace=HERE, principal=proof.principal, proof=proof)
    call.envelope, call.scopes = at or Envelope(60.0, 60.0), proof.scopes
    run_id = str(uuid4())
    async with redis.connected(redis_url) as server, Steps.through(place.node.engine) as steps:
        authority = await Warrants(RedisBudgets(server)).authority_of(call, NewTree(run_id, budget, 600.0))
        yield Engine(steps, authority, run_id)


@asynccontextmanager
async def spending(place: Meeting, *names: str) -> AsyncIterator[None]:
    """Agents at a node that spend and call each other, whom Ann may call."""
    async with AsyncExitStack() as house:
        for name in names:
            await house.enter_async_context(attached(spender(name), place.node.grpc_address, key=place.dev_key))
            await place.dev.grants.give("person:ann", f"agent:{name}:invoke")
        yield


async def callable_at(place: Meeting, agent: str) -> None:
    """Wait until a node has heard of an agent at another one, and that Ann may call it."""
    await known(place, agent)
    async with asyncio.timeout(PATIENCE):
        while not (await place.dev.grants.check(f"agent:{agent}:invoke", "person:ann")).allowed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_step_acts_as_the_starter_of_its_run(meet: Meet, redis_url: str) -> None:
    """It may what she may, and no more; once she may not any more, neither may it. So with her key, and a freeze."""
    async with meet() as one, spending(one, "near"), engine(one, redis_url) as run:
        assert await run.call("near", "work") == {"left": {}}
        with pytest.raises(PermissionDenied, match="person:ann"):
            await run.call("echo", "say", {"text": "x"})
        frozen = await one.dev.freezes.freeze("person:ann", "a test")
        with pytest.raises(Frozen):
            await run.call("near", "work")
        await one.dev.freezes.unfreeze(frozen.freeze.id)
        await run.call("near", "work")
        async for grant in one.dev.grants.list(granted_to="person:ann"):
            await one.dev.grants.revoke(grant.id)
        with pytest.raises(PermissionDenied, match="person:ann"):
            await run.call("near", "work")


async def test_a_run_ends_with_the_key_that_started_it(meet: Meet, redis_url: str) -> None:
    """And is bound to what that key was bound to, while it lives."""
    async with meet() as one, spending(one, "near", "far"):
        created = await one.dev.keys.create(principal="person:ann", permissions=["agent:near:invoke"])
        proof = Proof(ANN, ("agent:near:invoke",), key=created.key.id)
        async with engine(one, redis_url, by=proof) as run:
            await run.call("near", "work")
            with pytest.raises(PermissionDenied):
                await run.call("far", "work")
            await one.dev.keys.revoke(created.key.id)
            with pytest.raises(Unauthenticated, match="revoked"):
                await run.call("near", "work")


@pytest.mark.parametrize("way", ["a run of its own", "a tree with a budget"])
async def test_of_three_parallel_steps_exactly_two_start(meet: Meet, redis_url: str, way: str) -> None:
    """With a limit of two calls of the run, or of the tree that it was started in; the others ask in vain."""
    async with meet() as one, spending(one, "near"):
        tree: Envelope | None = None
        if way != "a run of its own":
            tree = Envelope(60.0, 60.0, root=str(uuid4()), budget={"calls": 2})
            async with redis.connected(redis_url) as server:
                await RedisBudgets(server).open(tree.root, {"calls": 2}, 60.0)
        bound = {"calls": 2} if tree is None else {"calls": 9}
        async with engine(one, redis_url, budget=bound, at=tree) as run:
            gate = GATES[run.run_id] = asyncio.Event()
            steps = [asyncio.create_task(run.call("near", "work", {"gate": run.run_id})) for _ in range(3)]
            (refused,), _ = await asyncio.wait(steps, return_when=asyncio.FIRST_COMPLETED)
            assert isinstance(refused.exception(), BudgetExhausted)
            gate.set()
            said = await asyncio.gather(*steps, return_exceptions=True)
            assert Counter(map(type, said)) == {dict: 2, BudgetExhausted: 1}


async def test_what_steps_cause_on_other_nodes_counts_for_their_run(meet: Meet, redis_url: str) -> None:
    """An agent that a step calls has children on another node: one budget, and no agent of the way twice."""
    async with meet("one") as one, meet("two") as two, spending(one, "near"), spending(two, "far"):
        await callable_at(one, "far")
        async with engine(one, redis_url, budget={"calls": 3, "tokens": 50}) as run:
            asked = {"agent": "far", "times": 3, "tokens": 5}
            assert await run.call("near", "ask", asked) == {"worked": 2, "refused": 1}
            with pytest.raises(BudgetExhausted):
                await run.call("near", "work")
        crew = Envelope(60.0, 60.0, ("far", "crowd"), "p", "r", (ANN, CREW))
        async with engine(one, redis_url, by=Proof(CREW), at=crew) as run:
            with pytest.raises(CallLoop):
                await run.call("far", "work")


async def test_a_repeated_step_is_done_once(meet: Meet, redis_url: str) -> None:
    """By its key, whichever node's engine brings it."""
    async with meet("one") as one, meet("two") as two, spending(one, "near"):
        await callable_at(two, "near")
        async with engine(one, redis_url, budget={"tokens": 100}) as first, engine(two, redis_url) as second:
            second.authority, second.run_id = first.authority, first.run_id
            for run in (first, second):
                said = await run.call("near", "work", {"tokens": 40}, key="run/build/1")
                assert said == {"left": {"tokens": 60}}


async def test_a_step_is_in_the_trace_and_the_logs_of_its_run(
    meet: Meet, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Below the span that the run was started in; the audit and the access log say which step of which run."""
    with over_grpc() as receiver:
        async with (
            meet(trace_endpoint=receiver.address, audit_calls=True, json_logs=True) as one,
            spending(one, "near"),
            engine(one, redis_url) as run,
        ):
            await run.call("near", "work")
            with pytest.raises(PermissionDenied):
                await run.call("echo", "say", {"text": "x"})
        async with meet() as one:
            facts = [event.fact async for event in one.dev.audit.list() if event.fact.metadata.get("run_id")]
        spans = [span for span in receiver.spans if span.name == "a2amesh.v1.AgentService/Invoke"]
        assert [(span.trace_id, span.parent_id) for span in spans] == [(HERE.trace_id, HERE.span_id)] * 2
        assert [(fact.metadata, fact.user_id, fact.trace_id) for fact in facts] == [
            ({"run_id": run.run_id, "step": "build"}, "person:ann", f"{HERE.trace_id:032x}")
        ] * 2
        assert {fact.outcome for fact in facts} == {AuditOutcome.SUCCEEDED, AuditOutcome.REFUSED}
        lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if f'"{run.run_id}"' in line]
        assert [(line["run_id"], line["step"]) for line in lines] == [(run.run_id, "build")] * 2


async def test_nobody_else_comes_in(meet: Meet, redis_url: str) -> None:
    """Not with another key at that door, not with the same words at another one, not with a key of the mesh's."""
    async with meet() as one, spending(one, "near"), engine(one, redis_url) as run:
        await run.call("near", "work")
        good, door = run.steps, one.node.engine
        places = (replace(door, key="x" * 43), replace(door, key=""), EngineDoor(one.node.grpc_address, door.key))
        for place in places:
            async with Steps.through(place) as run.steps:
                with pytest.raises(EnvelopeInvalid):
                    await run.call("near", "work")
        async with grpc.aio.insecure_channel(door.address) as channel:
            rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(INVOKE, None, None)
            for metadata in (None, (("authorization", f"Bearer {one.dev_key}"),)):
                for method in (INVOKE, "/grpc.health.v1.Health/Check", "/a2amesh.v1.RegistryService/ListNodes"):
                    rpc = channel.unary_unary(method, None, None)
                    with pytest.raises(grpc.aio.AioRpcError) as refused:
                        await rpc(b"", metadata=metadata)
                    assert isinstance(refusal(refused.value), EnvelopeInvalid), method
        run.steps = good
        await run.call("near", "work")
    file = Path(door.address.removeprefix("unix:"))
    assert file.parent.stat().st_mode & 0o777 == 0o700
