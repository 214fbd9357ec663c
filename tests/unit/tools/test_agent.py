"""The agent that an MCP server is in the mesh, with a session that needs no server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from a2a_node.agent import Context
from a2a_node.model.call import Once
from a2a_node.model.errors import AgentLost, CapabilityNotFound, InvalidInput
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.tool_ports import Progress
from a2a_node.model.tools import ServerTool
from a2a_node.tools.agent import ToolAgent
from a2a_node.tools.notes import KEPT, PROGRESS

TOOLS = (
    ServerTool("count", "Count", "", "counts", {"type": "object"}, idempotent=True),
    ServerTool("look", "look", read_only=True, input_schema={"type": "object"}),
    ServerTool("broken", "broken", problem="its input schema is not of an object"),
)


class Scripted:
    """A session that answers with what it was given, or as it is told."""

    def __init__(self, answer: object = None, notes: int = 0) -> None:
        self.version, self.tools = "2.1.0", TOOLS
        self.heard: list[tuple[tuple[str, str], str]] = []
        self.answer, self.notes = answer, notes
        self.asked: list[tuple[str, Mapping[str, object], bool]] = []
        self.begun, self.cancelled = asyncio.Event(), False

    async def ping(self) -> None:
        """It lives."""

    async def closed(self) -> str:
        """It never ends."""
        await asyncio.Event().wait()
        return ""

    async def changed(self) -> None:
        """Its tools never change."""
        await asyncio.Event().wait()

    async def call(self, tool: str, given: Mapping[str, object], progress: Progress | None = None) -> object:
        """As it is told."""
        self.asked.append((tool, given, progress is not None))
        for done in range(self.notes):
            if progress is not None:
                await progress({"progress": done})
        self.begun.set()
        if isinstance(self.answer, asyncio.Event):
            try:
                await self.answer.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return given if self.answer is None else self.answer


def agent_of(session: Scripted) -> ToolAgent:
    """The agent of a session, which hears of its calls."""

    def heard(names: tuple[str, str], outcome: str, seconds: float) -> None:
        assert seconds >= 0
        session.heard.append((names, outcome))

    return ToolAgent("mcp.s", session, heard)


async def served(session: Scripted, said: Payload, capability: str = "count", *, unary: bool = True) -> list[Payload]:
    """What the agent answers to one call."""
    outputs: list[Payload] = []

    async def reply(output: Payload) -> None:
        outputs.append(output)

    context = Context("c1", "mcp.s", unary=unary)
    await agent_of(session).serve(capability, context, Once(said), reply)
    return outputs


def test_only_what_can_be_called_is_offered() -> None:
    """What changes nothing may be repeated."""
    offered = agent_of(Scripted()).descriptor.checked().capabilities
    assert [(each.name, each.idempotent) for each in offered] == [("count", True), ("look", True)]


@pytest.mark.parametrize(("said", "shown"), [("2.1.0", "2.1.0"), ("", "0.0.0"), ("x" * 100, "x" * 63)])
def test_the_version_is_the_servers_own(said: str, shown: str) -> None:
    """As far as a version may be long."""
    session = Scripted()
    session.version = said
    assert agent_of(session).descriptor.checked().version == shown


async def test_every_call_that_reaches_the_server_is_told_of() -> None:
    """How it ended; what is refused before is no call of the server."""
    session = Scripted()
    await served(session, Payload({}))
    session.answer = AgentLost("mcp.s", "s")
    with pytest.raises(AgentLost):
        await served(session, Payload({}), unary=False)
    session.answer = asyncio.Event()
    session.begun.clear()
    call = asyncio.create_task(served(session, Payload({})))
    await session.begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(InvalidInput):
        await served(session, Payload("words", TEXT))
    assert session.heard == [(("s", "count"), outcome) for outcome in ("ok", "error", "cancelled")]


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        (Payload({"a": 1}), Payload({"a": 1})),
        (Payload(b'{"a":1}'), Payload(b'{"a":1}')),
        (Payload(b""), Payload(b"{}")),
    ],
    ids=["struct", "json", "nothing"],
)
async def test_an_object_comes_back_in_the_encoding_that_was_asked_in(said: Payload, answered: Payload) -> None:
    """The tool is called by the server's own name for it."""
    session = Scripted()
    assert await served(session, said) == [answered]
    assert session.asked[0][::2] == ("Count", False)


async def test_a_text_comes_back_as_a_text() -> None:
    """In every encoding."""
    assert await served(Scripted("done"), Payload(b"{}")) == [Payload("done", TEXT)]


@pytest.mark.parametrize("said", [Payload("words", TEXT), Payload(b"[1]"), Payload(b"{"), Payload(b"{}", "image/png")])
async def test_an_input_that_is_no_object_is_refused(said: Payload) -> None:
    """Before the server hears of it."""
    session = Scripted()
    with pytest.raises(InvalidInput, match="input"):
        await served(session, said)
    assert not session.asked


@pytest.mark.parametrize("capability", ["broken", "nothing", "Count"])
async def test_what_is_not_offered_cannot_be_called(capability: str) -> None:
    """Nor what has a problem."""
    with pytest.raises(CapabilityNotFound):
        await served(Scripted(), Payload({}), capability)


async def test_progress_goes_before_the_result() -> None:
    """To those who take more than one output; a slow reader gets the latest."""
    outputs = await served(Scripted({"done": True}, notes=1000), Payload({}), unary=False)
    assert outputs[-1] == Payload({"done": True})
    assert [output.media_type for output in outputs[:-1]] == [PROGRESS] * KEPT
    assert outputs[-2].body == {"progress": 999}


async def test_a_call_that_is_cancelled_cancels_the_tool() -> None:
    """Whether it streams or not, the session hears of it before the call has ended."""
    for unary in (True, False):
        session = Scripted(asyncio.Event())
        call = asyncio.create_task(served(session, Payload({}), unary=unary))
        await session.begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert session.cancelled


async def test_a_failure_passes() -> None:
    """Also to a stream."""
    for unary in (True, False):
        with pytest.raises(AgentLost):
            await served(Scripted(AgentLost("mcp.s", "s")), Payload({}), unary=unary)
