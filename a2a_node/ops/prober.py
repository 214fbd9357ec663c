"""The agent that looks whether something is served, and whether it is what was deployed."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.agent import Agent, AgentRefused
from a2a_node.ops.exchange import Answer, Hosts, Request, exchanged
from a2a_node.ops.workplace import Workplace

MOST = 8 * 1024 * 1024  # bytes of one answer
AT_ONCE = 8

Url = Annotated[str, Field(max_length=2000, description="What to fetch: on this machine, or on an allowed host.")]
Seconds = Annotated[float, Field(gt=0, le=60, description="Seconds for each answer.")]
Attempts = Annotated[int, Field(ge=1, le=20, description="How often it is tried in all, a second apart.")]


class Probe(BaseModel):
    """What was found."""

    status: Annotated[int, Field(description="The HTTP status.")]
    seconds: Annotated[float, Field(description="How long the last answer took.")]
    bytes: Annotated[int, Field(description="The size of the body.")]
    sha256: Annotated[str, Field(description="The digest of the body, hexadecimal.")]
    attempts: Annotated[int, Field(description="How often it was tried.")]


class Served(BaseModel):
    """A file that must be served."""

    path: Annotated[str, Field(max_length=1000, description="Its path after the base URL.")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="The digest of what must be answered.")]


class Verified(BaseModel):
    """What was compared."""

    files: Annotated[int, Field(description="How many files are served as they must be.")]


def made(workplace: Workplace, allowed: Sequence[str]) -> Agent:
    """The agent; it may ask the allowed hosts beside this machine."""
    del workplace  # it touches no file
    hosts = Hosts(frozenset(allowed))
    agent = Agent(
        "prober",
        version="1.0.0",
        description="Fetches what is served and compares it with what must be.",
        category="operations",
        tags=("built-in", "ops"),
    )

    async def fetched(field: str, url: str, seconds: float) -> Answer:
        parts, address = await hosts.address(field, url)
        return await exchanged(Request(parts, address), seconds, MOST)

    @agent.capability(idempotent=True)
    async def check(
        url: Url,
        status: Annotated[int, Field(ge=100, le=599, description="The status that must be answered.")] = 200,
        contains: Annotated[str, Field(max_length=1000, description="What the body must contain.")] = "",
        seconds: Seconds = 5.0,
        attempts: Attempts = 1,
    ) -> Probe:
        """Fetch a URL; PROBE_FAILED when the last attempt does not find what it must."""
        for attempt in range(1, attempts + 1):
            began = time.monotonic()
            try:
                answer = await fetched("input.url", url, seconds)
                _compare(answer, status, contains)
            except AgentRefused:
                if attempt == attempts:
                    raise
                await asyncio.sleep(1.0)
            else:
                break
        return Probe(
            status=answer.status,
            seconds=round(time.monotonic() - began, 3),
            bytes=len(answer.body),
            sha256=hashlib.sha256(answer.body).hexdigest(),
            attempts=attempt,
        )

    @agent.capability(idempotent=True)
    async def verify(
        base: Url,
        files: Annotated[list[Served], Field(min_length=1, max_length=1000, description="What must be served.")],
        seconds: Seconds = 5.0,
    ) -> Verified:
        """Fetch files beneath a base URL; PROBE_FAILED names those that are not what they must be."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def problem(file: Served) -> str:
            async with turns:
                answer = await fetched("input.base", f"{base.rstrip('/')}/{file.path.lstrip('/')}", seconds)
            if answer.status != 200:  # noqa: PLR2004 - HTTP's own
                return f"{file.path}: status {answer.status}"
            return "" if hashlib.sha256(answer.body).hexdigest() == file.sha256 else f"{file.path}: other content"

        _raise([found for found in await asyncio.gather(*map(problem, files)) if found])
        return Verified(files=len(files))

    return agent


def _compare(answer: Answer, status: int, contains: str) -> None:
    problems = [f"status {answer.status} instead of {status}"] if answer.status != status else []
    if contains.encode() not in answer.body:
        problems.append(f"the body does not contain {contains[:80]!r}")
    _raise(problems)


def _raise(problems: Sequence[str]) -> None:
    if problems:
        more = f", and {len(problems) - 10} more" if len(problems) > 10 else ""  # noqa: PLR2004 - as many as one reads
        raise AgentRefused(f"{'; '.join(problems[:10])}{more}", reason="PROBE_FAILED")
