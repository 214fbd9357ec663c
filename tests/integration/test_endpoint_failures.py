"""What becomes of calls to endpoints that refuse, break rules, are lost, or are too many."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from a2a_node.model.errors import (
    AgentFailed,
    AgentLost,
    AgentProtocol,
    AgentRefused,
    NoInstance,
    PayloadTooLarge,
)
from a2a_node.model.payload import TEXT, Payload
from tests.integration.endpoint_agent import serving
from tests.integration.endpoint_calls import (
    NO_NETWORK,
    PATIENCE,
    Asked,
    call,
    conversing,
    failed,
    instance,
    reaching,
    streaming,
    unary,
)

ROOT = Path(__file__).parents[2]


async def test_what_the_agent_names_reaches_the_caller() -> None:
    """Its code, its reason, its message and its fields; nothing of what it did not mean to say."""
    async with serving() as agent, reaching() as (endpoints, _):
        at = instance(agent)
        refused = await failed(endpoints, call(unary("refuse"), Asked()), at)
        assert (refused.code, refused.reason, refused.message) == ("ABORTED", "OUT_OF_STOCK", "no stock")
        misread = await failed(endpoints, call(unary("misread"), Asked()), at)
        assert misread.violations == [("text", "is wrong")]
        crashed = await failed(endpoints, call(unary("crash"), Asked()), at)
        assert isinstance(crashed, AgentFailed)
        assert "hunter2" not in crashed.message
        assert endpoints.reaches(at)


async def test_a_gap_in_a_fresh_stream_breaks_the_protocol() -> None:
    """Outputs are never lost in silence."""
    async with serving() as agent, reaching() as (endpoints, _):
        error = await failed(endpoints, call(streaming("skip"), Asked(), "1"), instance(agent))
        assert isinstance(error, AgentProtocol)


async def test_an_output_over_the_limit_names_both_numbers() -> None:
    """Just over it, and far over what gRPC lets through."""
    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()
        await endpoints.carry(call(unary("swell"), asked, "100000"), instance(agent))
        assert asked.texts == [bytes(100_000)]
        for size in (100_001, 1_000_000):
            error = await failed(endpoints, call(unary("swell"), Asked(), str(size)), instance(agent))
            assert isinstance(error, PayloadTooLarge)
            assert int(error.variables["size"]) >= size
            assert int(error.variables["limit"]) >= 100_000


async def test_an_input_over_the_agents_own_limit_names_both_numbers() -> None:
    """An endpoint may take less than the node."""
    async with serving(limit=1000) as agent, reaching() as (endpoints, _):
        error = await failed(endpoints, call(unary("say"), Asked(), "x" * 2000), instance(agent))
        assert isinstance(error, PayloadTooLarge)
        assert error.variables["limit"] == "1000"


async def test_an_endpoint_that_is_not_there_is_lost_before_it_began() -> None:
    """Nobody has heard of the call, so that it may go elsewhere whatever it does."""
    async with reaching() as (endpoints, _):
        asking = call(unary("say"), Asked())
        assert isinstance(await failed(endpoints, asking, instance(NO_NETWORK)), AgentLost)
        assert not asking.begun


@asynccontextmanager
async def process(address: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The agent in a process of its own, and its address."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.endpoint_agent", address, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert child.stdout is not None
        async with asyncio.timeout(30):
            port = int(await child.stdout.readline())
        yield child, f"127.0.0.1:{port}"
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def test_a_killed_process_loses_its_calls_at_once() -> None:
    """All shapes of them; once it is back on its port it is reached again."""

    async def inputs() -> AsyncIterator[Payload]:
        yield Payload("first", TEXT)
        await asyncio.Event().wait()

    async with reaching() as (endpoints, _):
        async with process("127.0.0.1:0") as (child, address):
            at, many, both = instance(address), Asked(), Asked()
            conversation = call(conversing("echo"), both)
            conversation.requests = inputs()
            calls = (call(unary("wait"), Asked()), call(streaming("wait"), many), conversation)
            lost = [asyncio.create_task(failed(endpoints, one, at)) for one in calls]
            async with asyncio.timeout(PATIENCE):
                await many.replied.wait()
                await both.replied.wait()
                child.kill()
                assert [type(error) for error in await asyncio.gather(*lost)] == [AgentLost] * 3
                assert all(one.begun for one in calls)
        async with process(address):
            asked = Asked()
            while not asked.replies:  # gRPC itself waits a moment before it dials again
                try:
                    await endpoints.carry(call(unary("say"), asked), at)
                except AgentLost:
                    continue


async def test_lines_are_looked_after() -> None:
    """Somebody asks, again and again, whether an address still serves anybody."""
    looked = asyncio.Event()

    def serves(_: str) -> bool:
        looked.set()
        return False

    async with serving() as agent, reaching(serves, tidy=0.001) as (endpoints, _):
        await endpoints.carry(call(unary("say"), Asked()), instance(agent))
        async with asyncio.timeout(PATIENCE):
            await looked.wait()
        await endpoints.carry(call(unary("say"), Asked()), instance(agent))


async def test_addresses_are_bounded() -> None:
    """Unused ones give way; when all are busy, no further one is within reach."""
    async with serving() as one, serving() as other, serving() as third, reaching(lines=2) as (endpoints, _):
        for agent in (one, other, one, third):
            await endpoints.carry(call(unary("say"), Asked()), instance(agent))
        busy = [
            asyncio.create_task(endpoints.carry(call(unary("wait"), Asked()), instance(agent)))
            for agent in (one, other)
        ]
        async with asyncio.timeout(PATIENCE):
            await one.begun.wait()
            await other.begun.wait()
        assert endpoints.reaches(instance(one))
        assert not endpoints.reaches(instance(third))
        assert isinstance(await failed(endpoints, call(unary("say"), Asked()), instance(third)), NoInstance)
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)
        assert endpoints.reaches(instance(third))


async def test_a_method_that_the_process_does_not_serve_is_a_refusal() -> None:
    """With gRPC's own code; the process is not lost."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with reaching() as (endpoints, _):
        error = await failed(endpoints, call(unary("say"), Asked()), instance(f"127.0.0.1:{port}"))
    await server.stop(None)
    assert isinstance(error, AgentRefused)
    assert error.code == "UNIMPLEMENTED"
