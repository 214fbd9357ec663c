"""Looking whether something is served, by nobody's back door."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from a2a_node.agent import Agent, AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops import prober
from tests.unit.ops.places import answer, done, served, workplace

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """An agent that may ask this machine only."""
    return prober.made(workplace(tmp_path), ())


async def test_what_is_served_is_compared(agent: Agent) -> None:
    """Its status and its words; a page that comes up late is waited for."""
    async with served(answer(b"starting", 503), answer(b"hello")) as (url, heard):
        found = await done(agent, "check", url=f"{url}/x?y=1", contains="hell", attempts=2)
        assert (found["status"], found["bytes"], found["attempts"]) == (200, 5, 2)
        assert found["sha256"] == hashlib.sha256(b"hello").hexdigest()
        assert heard[0].startswith(b"GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    async with served(CHUNKED) as (url, _):
        assert (await done(agent, "check", url=url))["bytes"] == 5


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (answer(b"gone", 404), "status 404 instead of 200; the body does not contain 'hello'"),
        (answer(b"", 302, "Location: http://127.0.0.1:1/"), "status 302"),
        (answer(b"x" * (prober.MOST + 1)), "cannot be asked"),
        (b"nonsense", "cannot be asked"),
        (b"", "cannot be asked"),
    ],
    ids=["missing", "redirect", "flood", "nonsense", "silence"],
)
async def test_what_is_wrong_fails_the_step(agent: Agent, reply: bytes, why: str) -> None:
    """With what was found; a redirect is not followed."""
    async with served(reply) as (url, heard):
        with pytest.raises(AgentRefused, match=why):
            await done(agent, "check", url=url, contains="hello")
        assert len(heard) == 1


async def test_files_are_compared_by_their_digests(agent: Agent) -> None:
    """All that differ are named."""
    files = [{"path": f"/{name}", "sha256": hashlib.sha256(b"a").hexdigest()} for name in "xy"]
    async with served(answer(b"a")) as (url, _):
        assert await done(agent, "verify", base=url, files=files) == {"files": 2}
    async with served(answer(b"b")) as (url, _):
        with pytest.raises(AgentRefused, match="/x: other content; /y: other content"):
            await done(agent, "verify", base=url, files=files)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://user:word@127.0.0.1/",
        "file:///etc/passwd",
        "http://127.0.0.1/\r\nX: y",
        "http://127.0.0.1:99999/",
        "http://no-such-host.invalid/",
        "gopher://127.0.0.1/",
        "http:///x",
    ],
)
async def test_nobody_else_is_asked(agent: Agent, url: str) -> None:
    """Neither by an address in another form, nor by what is no web page, nor with a header in the URL."""
    with pytest.raises(InvalidInput, match=r"input\.url"):
        await done(agent, "check", url=url)


async def test_whom_the_settings_name_may_be_asked(tmp_path: Path) -> None:
    """Then it is a matter of the network."""
    agent = prober.made(workplace(tmp_path), ("192.0.2.1:9",))
    with pytest.raises(AgentRefused) as refused:
        await done(agent, "check", url="http://192.0.2.1:9/", seconds=0.2)
    assert refused.value.reason == "UNREACHABLE"
    with pytest.raises(InvalidInput, match="A2A_OPS_HOSTS"):
        await done(agent, "check", url="http://192.0.2.1:10/", seconds=0.2)
