"""The agent that fetches code: a repository at a ref, without running anything of it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.agent import Agent, AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.command import Finished
from a2a_node.ops.workplace import HOME, Workplace

CHECKOUTS = "checkouts"
REF = r"^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}$"
# Nothing of a repository runs: no hooks, helpers or submodules; nothing is fetched but by the one way that it names.
HARMLESS = tuple(
    part
    for setting in (
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.sshCommand=false",
        "credential.helper=",
        "submodule.recurse=false",
        "http.followRedirects=false",
        "protocol.allow=never",
        "gc.auto=0",
        "advice.detachedHead=false",
    )
    for part in ("-c", setting)
)
ALONE: Mapping[str, str] = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ASKPASS": "/bin/false"}
# Repositories that the settings allow may belong to other users; git hears this from a file alone.
CONFIG = "[safe]\n\tdirectory = *\n"


class Checkout(BaseModel):
    """Code that was fetched."""

    path: Annotated[str, Field(description="Where it lies in the workspace.")]
    commit: Annotated[str, Field(description="The commit that it is, whole.")]
    ref: Annotated[str, Field(description="What was asked for.")]
    subject: Annotated[str, Field(description="The first line of the commit's message.")]


def made(workplace: Workplace, sources: Sequence[str]) -> Agent:
    """The agent; it clones from the workspace, and from where `sources` say: folders and beginnings of https URLs."""
    agent = Agent(
        "git",
        version="1.0.0",
        description="Fetches code from git repositories, and runs nothing of it.",
        category="operations",
        tags=("built-in", "ops"),
    )

    @agent.capability(limit="2/s burst 20")
    async def clone(
        url: Annotated[str, Field(min_length=1, max_length=1000, description="A folder, or an https URL.")],
        ref: Annotated[str, Field(pattern=REF, description="A branch, a tag or a commit.")] = "HEAD",
        seconds: Annotated[float, Field(gt=0, le=3600, description="How long it may take.")] = 300.0,
    ) -> Checkout:
        """Clone a repository and check out a ref; submodules are left out."""
        source, protocol = _allowed(workplace, sources, url)
        if ".." in ref:
            raise InvalidInput("input.ref", "must be one branch, tag or commit, not a range")
        folder = await workplace.fresh(CHECKOUTS)
        git = _Git(workplace, folder, seconds)
        try:
            await git.said(
                "clone", "--quiet", "--no-checkout", "--no-local", "--template=", "--", source, ".", by=protocol
            )
            commit = await git.commit(ref)
            await git.said("checkout", "--quiet", "--detach", commit)
            subject = await git.said("log", "-1", "--format=%s", commit)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
            raise
        return Checkout(path=workplace.told(folder), commit=commit, ref=ref, subject=subject[:300])

    return agent


class _Git:
    """The git of one checkout."""

    def __init__(self, workplace: Workplace, folder: Path, seconds: float) -> None:
        self._workplace, self._folder, self._seconds = workplace, folder, seconds
        self._config = workplace.root / HOME / "gitconfig"

    async def said(self, *arguments: str, by: str = "") -> str:
        """What a git command prints; AgentRefused (GIT_FAILED) with its own words when it fails."""
        done = await self._run(*(("-c", f"protocol.{by}.allow=always") if by else ()), *arguments)
        if done.code:
            raise AgentRefused(f"git {arguments[0]} failed: {done.errors.strip()[-500:]}", reason="GIT_FAILED")
        return done.output.strip()

    async def commit(self, ref: str) -> str:
        """The commit of a branch of the source, a tag or a commit itself; InvalidInput when there is none."""
        for name in (f"refs/remotes/origin/{ref}", f"refs/tags/{ref}", ref):
            done = await self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            if not done.code:
                return done.output.strip()
        raise InvalidInput("input.ref", f"{ref!r} is no branch, tag or commit of the repository")

    async def _run(self, *arguments: str) -> Finished:
        await asyncio.to_thread(self._config.write_text, CONFIG, encoding="utf-8")
        return await self._workplace.run(
            ["git", *HARMLESS, *arguments],
            cwd=self._folder,
            seconds=self._seconds,
            environment={**ALONE, "GIT_CONFIG_GLOBAL": str(self._config)},
        )


def _allowed(workplace: Workplace, sources: Sequence[str], url: str) -> tuple[str, str]:
    """What git is told to clone, and its protocol; InvalidInput when nobody has allowed to clone from there."""
    named = url.removeprefix("file://")
    if named.startswith("/"):
        place = Path(named).resolve()
        roots = [workplace.root, *(Path(each).resolve() for each in sources if each.startswith("/"))]
        if any(place.is_relative_to(root) for root in roots):
            return str(place), "file"
    elif url.startswith("https://"):
        fit = url.isascii() and url.isprintable() and "@" not in url and ".." not in url
        if fit and any(_begins(url, each) for each in sources if each.startswith("https://")):
            return url, "https"
    elif ":" not in url:
        return str(workplace.path("input.url", url)), "file"
    raise InvalidInput("input.url", f"{url[:80]!r} is not where code may be fetched from; see A2A_OPS_GIT")


def _begins(url: str, allowed: str) -> bool:
    """Whether a URL is an allowed one or lies beneath it."""
    return url == allowed or url.startswith(f"{allowed.rstrip('/')}/")
