"""The agent that tells people: by a webhook that the settings name, or in a file of the workspace."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, JsonValue

from a2a_node.agent import Agent, AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.exchange import Request, exchanged, resolved, taken_apart
from a2a_node.ops.workplace import Workplace

FILES, FILE = "notifications", "file"
ATTEMPTS, PAUSE, SECONDS = 3, 1.0, 10.0
MOST = 64 * 1024  # bytes of a webhook's answer


class Told(BaseModel):
    """How it was told."""

    channel: Annotated[str, Field(description="By which channel.")]
    path: Annotated[str, Field(description="The file in the workspace; empty for a webhook.")]
    status: Annotated[int, Field(description="What the webhook answered; 0 for a file.")]
    attempts: Annotated[int, Field(description="How often it was tried.")]


def made(workplace: Workplace, webhooks: Mapping[str, str]) -> Agent:
    """The agent; `webhooks` are secret URLs by the names of their channels."""
    agent = Agent(
        "notifier",
        version="1.0.0",
        description="Tells people what happened, by a webhook or in a file of the workspace.",
        category="operations",
        tags=("built-in", "ops"),
    )

    @agent.capability(limit="5/s burst 50")
    async def notify(
        title: Annotated[str, Field(min_length=1, max_length=300, description="What happened, in one line.")],
        text: Annotated[str, Field(max_length=10_000, description="What is to be known of it.")] = "",
        severity: Annotated[Literal["info", "warning", "critical"], Field(description="How bad it is.")] = "info",
        details: Annotated[dict[str, JsonValue] | None, Field(description="Facts for programs.")] = None,
        channel: Annotated[str, Field(max_length=63, description="A webhook of the settings, or `file`.")] = FILE,
    ) -> Told:
        """Tell people; a webhook that is away or busy is tried three times."""
        if channel != FILE and channel not in webhooks:
            known = ", ".join([FILE, *webhooks])
            raise InvalidInput("input.channel", f"{channel!r} is no channel; there are: {known}; see A2A_OPS_WEBHOOKS")
        said = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "title": title,
            "text": text,
            "severity": severity,
            "details": details or {},
        }
        data = json.dumps(said, ensure_ascii=False).encode()
        if channel == FILE:
            return await _filed(workplace, str(said["time"]), data)
        return await _posted(channel, webhooks[channel], data)

    return agent


async def _filed(workplace: Workplace, moment: str, data: bytes) -> Told:
    name = f"{FILES}/{moment[:10]}/{moment[11:19].replace(':', '')}-{hashlib.sha256(data).hexdigest()[:8]}.json"
    await workplace.write("input", name, data)
    return Told(channel=FILE, path=name, status=0, attempts=1)


async def _posted(channel: str, url: str, data: bytes) -> Told:
    """Post until it is taken; what fails is told by the channel's name, because the URL is a secret."""
    parts, host, port = taken_apart("settings.ops_webhooks", url)
    why = ""
    for attempt in range(1, ATTEMPTS + 1):
        address = (await resolved("settings.ops_webhooks", host, port))[0]
        headers = {"Content-Type": "application/json", "Idempotency-Key": hashlib.sha256(data).hexdigest()}
        try:
            answer = await exchanged(Request(parts, address, "POST", headers, data), SECONDS, MOST)
        except AgentRefused as error:
            why = error.message
        else:
            if answer.status < 300:  # noqa: PLR2004 - HTTP's own
                return Told(channel=channel, path="", status=answer.status, attempts=attempt)
            why = f"it answered {answer.status}"
            if answer.status < 500 and answer.status != 429:  # noqa: PLR2004 - as above
                break
        if attempt < ATTEMPTS:
            await asyncio.sleep(PAUSE * attempt)
    raise AgentRefused(f"channel {channel!r} took nothing: {why}", code="UNAVAILABLE", reason="NOT_NOTIFIED")
