"""Secrets and payloads never come out: a node with everything on is given some, and all that it says is searched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.cli.logs import configure_logs
from a2a_node.client import MeshClient
from a2a_node.model.audit import AuditFilter
from a2a_node.model.errors import InternalError, MeshError
from a2a_node.services.cache import CacheService
from a2a_node.store.postgres import connected
from tests.integration.conftest import Running
from tests.integration.receiver import Receiver, over_grpc

pytestmark = pytest.mark.usefixtures("quiet_afterwards")

PAYLOAD = "planted-payload-5f3a"
CONFIG = "planted-config-91c2"
KEY = "a2a_0123abcd_planted-key-secret-77e1"
PASSWORD = "planted-password-3d09"
PLANTED = (PAYLOAD, CONFIG, "planted-key-secret-77e1", PASSWORD)


@dataclass(frozen=True, slots=True)
class Ears:
    """What hears all that a node says: its log, and its spans."""

    output: pytest.CaptureFixture[str]
    receiver: Receiver

    def heard(self) -> tuple[str, str]:
        """The log, and the spans as text."""
        told = self.output.readouterr()
        return told.out + told.err, "\n".join(span.raw for span in self.receiver.spans)


@pytest.fixture
def ears(capfd: pytest.CaptureFixture[str]) -> Iterator[Ears]:
    """Open for the log and for spans."""
    with over_grpc() as receiver:
        yield Ears(capfd, receiver)


def leaky() -> Agent:
    """An agent that does with its payload what agents should not."""
    agent = Agent("leaky")

    @agent.capability
    async def crash(word: str) -> str:
        raise RuntimeError(f"cannot work with {word}")

    @agent.capability
    async def stream(word: str) -> AsyncIterator[str]:
        yield word
        raise KeyError(word)

    @agent.capability
    async def forget(word: str) -> str:
        failing = asyncio.get_running_loop().create_task(_raise(word))
        await asyncio.wait([failing])
        del failing  # nobody asks for its exception: asyncio complains
        return word

    return agent


async def _raise(word: str) -> None:
    raise ValueError(word)


async def tried(asked: object, failures: list[MeshError]) -> None:
    """Do something, and keep its failure."""
    try:
        if hasattr(asked, "__aiter__"):
            async for _ in asked:
                continue
        else:
            await asked  # type: ignore[misc]  # all that is asked can be awaited
    except MeshError as failure:
        failures.append(failure)


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
async def test_nothing_that_was_planted_comes_out(
    running_node: Running,
    postgres_url: str,
    ears: Ears,
    monkeypatch: pytest.MonkeyPatch,
    *,
    as_json: bool,
) -> None:
    """Not in logs, access lines, audit rows, spans or errors, after successes, refusals and unforeseen failures."""

    async def broken(*_: object) -> None:
        raise RuntimeError(f"{PAYLOAD} with postgresql://user:{PASSWORD}@db/mesh")

    monkeypatch.setattr(CacheService, "get_value", broken)
    configure_logs(as_json=as_json)
    failures: list[MeshError] = []
    async with (
        running_node(audit_calls=True, json_logs=as_json, trace_endpoint=ears.receiver.address) as (node, mesh),
        MeshClient(node.grpc_address, KEY) as stranger,
        attached(leaky(), node.grpc_address, key=node.key_file.read_text().strip()),
    ):
        dev_key = node.key_file.read_text().strip()
        said = {"word": PAYLOAD}
        await mesh.call("echo", "say", {"text": PAYLOAD})
        session = await mesh.sessions.create({"data": PAYLOAD})
        await mesh.cache.set("k", PAYLOAD)
        await mesh.cache.publish("news", PAYLOAD)
        await mesh.agents.update("echo", config={"password": CONFIG})
        for asked in (
            mesh.call("leaky", "crash", said),
            mesh.stream("leaky", "stream", said),
            mesh.call("leaky", "forget", said),
            mesh.call("echo", "fail", {"crash": True}),
            mesh.call("echo", "count", {"n": PAYLOAD}),
            mesh.call("echo", "say", PAYLOAD.encode()),
            mesh.cache.get("k"),
            mesh.sessions.update(session.id, {"data": PAYLOAD}, expected=99, merge=False),
            mesh.cache.increment("k"),
            mesh.call("leaky", "crash", said, timeout=0.000001),
            stranger.call("echo", "say", {"text": PAYLOAD}),
            stranger.sessions.create({"data": PAYLOAD}),
        ):
            await tried(asked, failures)
        assert {type(failure) for failure in failures} >= {InternalError}
        assert len(failures) >= 9
        async with asyncio.timeout(20):
            events: list[object] = []
            while len(events) < 15:
                events = [event async for event in mesh.audit.list(AuditFilter())]
    async with connected(postgres_url) as postgres:
        rows = [dict(row) for row in await postgres.fetch(text("SELECT * FROM audit_log"))]
    told, spans = ears.heard()
    spoken = [(failure.message, dict(failure.variables), failure.violations) for failure in failures]
    everything = "\n".join([told, repr(rows), repr(events), repr(spoken), spans])
    assert "unexpected failure" in told
    assert "leaky" in spans
    assert "RuntimeError" in told
    assert "echo" in told
    for secret in (*PLANTED, dev_key, urlsplit(postgres_url).password or CONFIG):
        found = everything.find(secret)
        assert found < 0, everything[max(0, found - 3000) : found + 1000]
