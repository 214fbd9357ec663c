"""Telling people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops import notifier
from tests.unit.ops.places import answer, done, served, workplace


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(notifier, "PAUSE", 0.0)


async def test_without_webhooks_it_is_told_in_a_file(tmp_path: Path) -> None:
    """One for each, by the day."""
    place = workplace(tmp_path)
    told = await done(notifier.made(place, {}), "notify", title="Shipped", details={"release": "r1"})
    said = json.loads((place.root / str(told["path"])).read_text(encoding="utf-8"))
    assert (said["title"], said["severity"], said["details"]) == ("Shipped", "info", {"release": "r1"})
    assert said["time"].startswith(str(told["path"]).split("/")[1])


async def test_a_webhook_is_posted_to_until_it_takes_it(tmp_path: Path) -> None:
    """One that is busy is asked again, with the same key."""
    async with served(answer(b"", 503), answer(b"ok")) as (url, heard):
        agent = notifier.made(workplace(tmp_path), {"ops": f"{url}/hook/secret"})
        told = await done(agent, "notify", title="Down", severity="critical", channel="ops")
        assert told == {"channel": "ops", "path": "", "status": 200, "attempts": 2}
        head, _, body = heard[1].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /hook/secret HTTP/1.1\r\n")
        assert b"Idempotency-Key: " in head
        assert json.loads(body)["title"] == "Down"
        assert heard[0] == heard[1]


@pytest.mark.parametrize(("status", "tries"), [(500, 3), (403, 1)])
async def test_a_webhook_that_takes_nothing_fails_the_step(tmp_path: Path, status: int, tries: int) -> None:
    """After three tries where another can help; the URL, which is a secret, is not told."""
    async with served(answer(b"no", status)) as (url, heard):
        agent = notifier.made(workplace(tmp_path), {"ops": f"{url}/hook/secret"})
        with pytest.raises(AgentRefused, match=f"'ops' took nothing: it answered {status}") as refused:
            await done(agent, "notify", title="Down", channel="ops")
        assert "secret" not in str(refused.value)
        assert len(heard) == tries


async def test_bad_input_is_refused(tmp_path: Path) -> None:
    """A channel that nobody has set, and too many words."""
    agent = notifier.made(workplace(tmp_path), {"ops": "http://127.0.0.1:1/secret"})
    with pytest.raises(InvalidInput, match="there are: file, ops"):
        await done(agent, "notify", title="x", channel="pager")
    with pytest.raises(InvalidInput, match=r"input\.title"):
        await done(agent, "notify", title="x" * 301)
    with pytest.raises(AgentRefused, match="ConnectionRefusedError") as refused:
        await done(agent, "notify", title="x", channel="ops")
    assert "secret" not in str(refused.value)
