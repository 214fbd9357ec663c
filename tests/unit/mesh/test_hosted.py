"""Agents in the node's own process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping

import pytest

from a2a_node.agent import Agent, Context, Payload
from a2a_node.mesh.blocked import Pace, Work
from a2a_node.mesh.hosted import Hosted
from a2a_node.mesh.lingering import Lingering
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.call import Call
from a2a_node.model.call_ports import Carrier
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import AgentOverloaded, InternalError, NoInstance

PATIENCE = 5.0


async def rest(call: Call) -> None:
    """What a carrier never needs."""
    raise NotImplementedError(call.id)


def instance(agent: str = "a", kind: InstanceKind = InstanceKind.HOSTED) -> Instance:
    """A copy of an agent."""
    return Instance(id=f"i-{agent}", agent=agent, node="n1", kind=kind)


def call(capability: str, *said: Payload) -> tuple[Call, asyncio.Queue[Payload]]:
    """A call as the layers hand it on, and where its answers arrive."""
    answers: asyncio.Queue[Payload] = asyncio.Queue()

    async def requests() -> AsyncIterator[Payload]:
        for payload in said:
            yield payload

    envelope = Envelope(deadline=time.monotonic() + 100, allowance=100.0, path=("root", "a"))
    made = Call(
        method="/a2amesh.v1.AgentService/Invoke",
        rest=rest,
        id="c1",
        agent="a",
        capability=capability,
        token="t1",
        envelope=envelope,
        requests=requests(),
        reply=answers.put,
    )
    return made, answers


def agent_a(config: Mapping[str, object] | None = None) -> Agent:
    """An agent that tells what it knows of its call."""
    agent = Agent("a", config=config)

    @agent.capability
    async def about(context: Context) -> dict[str, object]:
        return {
            "call": context.call_id,
            "agent": context.agent,
            "path": context.path,
            "token": context.token,
            "config": context.config,
            "has_time": 0 < context.time_left() <= 100,
        }

    @agent.capability
    def thread() -> str:
        return threading.current_thread().name

    @agent.capability
    async def wait() -> None:
        await asyncio.Event().wait()

    return agent


async def test_the_agent_knows_its_call() -> None:
    """From the call's own fields and its envelope."""
    carrier: Carrier = Hosted({"a": agent_a({"depth": 1})}, None)
    made, answers = call("about")
    await carrier.carry(made, instance())
    assert answers.get_nowait().body == {
        "call": "c1",
        "agent": "a",
        "path": ["root", "a"],
        "token": "t1",
        "config": {"depth": 1},
        "has_time": True,
    }


async def test_the_configuration_is_the_registrys_where_it_is_known() -> None:
    """As it is at the moment of the call."""
    now = {"depth": 2}
    hosted = Hosted({"a": agent_a({"depth": 1})}, None, config_of=lambda _: now)
    made, answers = call("about")
    await hosted.carry(made, instance())
    body = answers.get_nowait().body
    assert isinstance(body, dict)
    assert body["config"] == {"depth": 2}


async def test_plain_functions_run_in_threads_of_their_agent() -> None:
    """Which end with the block that watches."""
    hosted = Hosted({"a": agent_a()}, None)
    made, answers = call("thread")
    with hosted.watching(asyncio.get_running_loop()):
        await hosted.carry(made, instance())
    assert answers.get_nowait().body == {"result": "agent-a-1"}
    for thread in threading.enumerate():
        if thread.name.startswith("agent-a-"):
            thread.join(PATIENCE)
    assert not any(thread.name.startswith("agent-a-") for thread in threading.enumerate())


async def test_a_thread_that_works_on_after_its_call_lingers_until_it_ends() -> None:
    """Nobody can interrupt it; a coroutine is over with its call."""
    agent, begun, go_on = Agent("a"), asyncio.Event(), threading.Event()
    loop, lingering = asyncio.get_running_loop(), Lingering()

    @agent.capability
    def compute() -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(PATIENCE)

    @agent.capability
    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    hosted = Hosted({"a": agent}, None, lingering=lingering)
    for capability, remains in (("wait", 0), ("compute", 1)):
        begun.clear()
        task = asyncio.ensure_future(hosted.carry(call(capability)[0], instance()))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        assert len(lingering) == remains
    [work] = lingering
    go_on.set()
    async with asyncio.timeout(PATIENCE):
        assert await lingering.over(work)


def test_only_hosted_instances_of_its_agents_are_reached() -> None:
    """Others are other carriers' business."""
    hosted = Hosted({"a": agent_a()}, None)
    assert hosted.reaches(instance())
    assert not hosted.reaches(instance("b"))
    assert not hosted.reaches(instance("a", InstanceKind.ATTACHED))


async def test_calls_in_flight_are_counted() -> None:
    """Until they end, however they end."""
    hosted = Hosted({"a": agent_a()}, None)
    assert hosted.load() == 0
    tasks = [asyncio.create_task(hosted.carry(call("wait")[0], instance())) for _ in range(3)]
    await asyncio.sleep(0)
    assert hosted.load() == 3
    assert hosted.occupancy() == pytest.approx(3 / 1000)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    assert hosted.load() == 0


async def test_an_agent_takes_only_so_many_calls() -> None:
    """The next one is refused, and is welcome once one has ended."""
    hosted = Hosted({"a": agent_a()}, None, max_calls=1)
    task = asyncio.create_task(hosted.carry(call("wait")[0], instance()))
    await asyncio.sleep(0)
    with pytest.raises(AgentOverloaded):
        await hosted.carry(call("about")[0], instance())
    assert hosted.occupancy() == 1
    task.cancel()
    await asyncio.wait([task])
    made, answers = call("about")
    await hosted.carry(made, instance())
    assert answers.qsize() == 1


async def test_an_agent_that_is_elsewhere_is_refused() -> None:
    """No instance of it is within reach here."""
    with pytest.raises(NoInstance):
        await Hosted({"a": agent_a()}, None).carry(call("about")[0], instance("b"))


async def test_a_call_without_an_envelope_is_a_mistake_of_the_node() -> None:
    """The layers give every call one."""
    made, _ = call("about")
    made.envelope = None
    with pytest.raises(InternalError):
        await Hosted({"a": agent_a()}, None).carry(made, instance())


async def test_an_agent_that_blocks_the_loop_is_named() -> None:
    """With its capability and its own line; another agent that worked in the same task is innocent."""
    named: list[tuple[Work, str]] = []
    released = threading.Event()
    agent, host = Agent("b"), Agent("a")

    @agent.capability
    async def swift() -> None:
        """End at once."""

    @host.capability
    async def block() -> None:
        await hosted.carry(call("swift")[0], instance("b"))
        released.wait(PATIENCE)

    def warn(work: Work, place: str) -> None:
        named.append((work, place))
        released.set()

    hosted = Hosted({"a": host, "b": agent}, None)
    with hosted.watching(asyncio.get_running_loop(), warn, Pace(late=0.02, every=0.005)):
        await hosted.carry(call("block")[0], instance())
    ((work, place),) = named
    assert work == Work("a", "block")
    own, innermost = place.split(" > ")
    assert own.startswith(__file__)
    assert own.endswith(" in block")
    assert innermost.endswith(" in wait")
