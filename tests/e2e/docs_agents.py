"""What the template of docs/workflows.md calls: attached to the node at A2A_ADDRESS until it is ended."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack

from a2a_node.agent import Agent, AgentRefused
from a2a_node.attach import attached

git = Agent("git", version="1.0.0")
linter = Agent("linter", version="1.0.0", tags=("python",))
wheels = Agent("wheels", version="1.0.0")
deployer = Agent("deployer", version="1.0.0")


@git.capability
async def clone(url: str) -> dict[str, str]:
    """Clone what there is."""
    if url != "/srv/code":
        raise AgentRefused(f"there is no {url}")
    return {"path": "checkouts/code"}


@linter.capability
async def lint(file: str) -> dict[str, str]:
    """Find nothing wrong."""
    return {"file": file}


@wheels.capability
async def build(path: str) -> dict[str, str]:
    """Build a wheel."""
    return {"wheel": f"{path}/code.whl"}


@deployer.capability
async def deploy(wheel: str) -> dict[str, str]:
    """Deploy a wheel."""
    return {"release": wheel, "url": "http://127.0.0.1/"}


@deployer.capability
async def undo(release: str) -> dict[str, str]:
    """Take it back."""
    return {"release": release}


async def main() -> None:
    """Serve until somebody ends it."""
    async with AsyncExitStack() as house:
        for agent in (git, linter, wheels, deployer):
            await house.enter_async_context(attached(agent, os.environ["A2A_ADDRESS"], key=os.environ["A2A_KEY"]))
        print("ready", flush=True)  # noqa: T201 - for whoever has started it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
