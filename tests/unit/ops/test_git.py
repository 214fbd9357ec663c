"""Fetching code, and running nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops import git
from a2a_node.ops.workplace import Limits
from tests.unit.ops import projects
from tests.unit.ops.places import done, workplace


def ran(folder: Path) -> bool:
    """Whether something has left its mark."""
    return any(folder.rglob("ran"))


async def test_a_repository_is_cloned_at_a_ref(tmp_path: Path) -> None:
    """A branch, a tag or a commit; each into a folder of its own."""
    source = projects.repository(tmp_path / "source")
    first = projects.git(source, "rev-parse", "HEAD").strip()
    (source / "more.txt").write_text("more", encoding="utf-8")
    projects.git(source, "checkout", "-q", "-b", "topic")
    projects.git(source, "add", ".")
    projects.git(source, "commit", "-q", "-m", "Add more")
    projects.git(source, "checkout", "-q", "main")
    place = workplace(tmp_path)
    agent = git.made(place, (str(source),))
    for ref, more in (("HEAD", False), ("v1", False), ("topic", True), (first, False), (first[:8], False)):
        found = await done(agent, "clone", url=str(source), ref=ref)
        checkout = place.root / str(found["path"])
        assert (checkout / "more.txt").exists() is more
        assert (checkout / "till/__init__.py").is_file()
        assert (found["subject"], found["commit"] == first) == (("Add more", False) if more else ("Sum prices", True))
    assert (await done(agent, "clone", url=f"file://{source}"))["commit"] == first


async def test_nothing_of_a_repository_runs(tmp_path: Path) -> None:
    """Neither its hooks nor what its files ask for; submodules are left out."""
    source = projects.repository(tmp_path / "source", **{".gitattributes": "* filter=bad\n"})
    for hook in ("post-checkout", "post-upload-pack", "pre-receive"):
        (source / ".git/hooks" / hook).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n", encoding="utf-8")
        (source / ".git/hooks" / hook).chmod(0o755)
    projects.git(source, "config", "filter.bad.smudge", f"touch {tmp_path}/ran")
    projects.git(source, "config", "uploadpack.packObjectsHook", f"touch {tmp_path}/ran")
    projects.git(source, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(source), "inner")
    projects.git(source, "commit", "-q", "-m", "Nest")
    place = workplace(tmp_path)
    found = await done(git.made(place, (str(source),)), "clone", url=str(source))
    assert list((place.root / str(found["path"]) / "inner").iterdir()) == []
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "url",
    [
        "/etc",
        "../source",
        "ext::sh -c touch% ran",
        "ssh://example.org/x",
        "git@example.org:x",
        "http://example.org/x",
        "https://example.org.evil.example/x",
        "https://example.org@evil.example/x",
        "https://example.org/../x",
        "file:///etc",
        "--upload-pack=touch ran",
    ],
)
async def test_code_is_fetched_from_where_it_may_be(tmp_path: Path, url: str) -> None:
    """By no other protocol, from nowhere else, and by no option of git's in the place of a URL."""
    agent = git.made(workplace(tmp_path), ("https://example.org", str(tmp_path / "source")))
    with pytest.raises((InvalidInput, AgentRefused)) as refused:
        await done(agent, "clone", url=url)
    if not url.startswith("--"):
        assert refused.value.violations[0][0] == "input.url"
    assert not ran(tmp_path)


@pytest.mark.parametrize("ref", ["--orphan", "nothing", "main..v1", "v1^{tree}", "a b", "-"])
async def test_a_ref_is_a_name(tmp_path: Path, ref: str) -> None:
    """Of something that is there; what was begun is gone."""
    place, source = workplace(tmp_path), projects.repository(tmp_path / "source")
    with pytest.raises(InvalidInput, match=r"input\.ref"):
        await done(git.made(place, (str(source),)), "clone", url=str(source), ref=ref)
    assert not (place.root / "checkouts").exists() or not list((place.root / "checkouts").iterdir())


async def test_a_repository_that_is_none_fails_with_the_words_of_git(tmp_path: Path) -> None:
    """So does one that is too large, and nothing of it stays."""
    (tmp_path / "empty").mkdir()
    place = workplace(tmp_path, Limits(workspace_bytes=20_000))
    with pytest.raises(AgentRefused, match=r"git clone failed: fatal: repository .* does not exist"):
        await done(git.made(place, (str(tmp_path),)), "clone", url=str(tmp_path / "empty"))
    source = projects.repository(tmp_path / "source", large="".join(map(str, range(100_000))))
    with pytest.raises(AgentRefused, match=r"git clone failed|prune"):
        await done(git.made(place, (str(source),)), "clone", url=str(source))
    assert list((place.root / "checkouts").iterdir()) == []
