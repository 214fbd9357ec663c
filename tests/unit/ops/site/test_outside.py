"""What the agent `site` asks of others: pages that its links lead to, and caches."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.site import made
from tests.unit.ops.places import answer, done, served, workplace
from tests.unit.ops.site.sources import put


async def test_links_that_lead_outside_are_followed_when_asked(tmp_path: Path) -> None:
    """Each once; where this node may not ask, nobody has looked, and that is told."""
    site = made(workplace(tmp_path), [])
    async with served(answer(b"gone", 404)) as (url, heard):
        page = f"# A\n\n[x]({url}/x#part) [again]({url}/x#part)\n\n[y](https://192.0.2.1/)\n"
        put(tmp_path / "workspace" / "src", "a.md", page)
        checked = await done(site, "check", source="src", external=True)
        assert checked["problems"] == [
            {"path": "a.md", "line": 3, "problem": f"the link to '{url}/x#part' is answered with status 404"}
        ]
        assert checked["unknown"] == ["https://192.0.2.1/"]
        assert len(heard) == 1
        with pytest.raises(AgentRefused, match="status 404"):
            await done(site, "check", source="src", external=True, must_pass=True)


async def test_a_cache_forgets_what_has_changed(tmp_path: Path) -> None:
    """By the paths that it may know it by; one that has it not has forgotten it."""
    site = made(workplace(tmp_path), [])
    async with served(answer(b""), answer(b"", 404)) as (url, heard):
        assert await done(site, "purge", cache=f"{url}/shop/", paths=["guide/index.html", "a.html"]) == {"paths": 3}
        lines = {line.split(b"\r\n")[0] for line in heard}
        assert lines == {
            b"PURGE /shop/guide/index.html HTTP/1.1",
            b"PURGE /shop/guide/ HTTP/1.1",
            b"PURGE /shop/a.html HTTP/1.1",
        }
    assert await done(site, "purge", cache="", paths=["a.html"]) == {"paths": 0}


async def test_a_cache_that_will_not_forget_is_told(tmp_path: Path) -> None:
    """With what it would not, and why."""
    site = made(workplace(tmp_path), [])
    async with served(answer(b"", 405)) as (url, _):
        with pytest.raises(AgentRefused, match=r"a\.html: status 405") as refused:
            await done(site, "purge", cache=url, paths=["a.html"])
        assert refused.value.reason == "PURGE_FAILED"


@pytest.mark.parametrize("paths", [["a b"], ["a\r\nX: y"], ["ü"], ["x" * 1_001]], ids=["space", "lines", "u", "long"])
async def test_a_path_that_is_none_is_refused(tmp_path: Path, paths: list[str]) -> None:
    """Nothing can be slipped into the request."""
    with pytest.raises(InvalidInput):
        await done(made(workplace(tmp_path), []), "purge", cache="http://127.0.0.1:9/", paths=paths)


async def test_only_allowed_hosts_are_asked(tmp_path: Path) -> None:
    """Those on this machine, and those that the settings name."""
    with pytest.raises(InvalidInput, match="A2A_OPS_HOSTS"):
        await done(made(workplace(tmp_path), []), "purge", cache="http://192.0.2.1/", paths=["a"])
