"""The supervisor of one MCP server on one node: it starts it, asks whether it lives, and starts it again.

A server that ends waits for its backoff; one that ended too often is left alone until somebody starts it. While the
registry is away nothing is started, and that counts as no failure of the server.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from a2a_node.model.errors import MeshError, StoreUnavailable
from a2a_node.model.servers import HealthStatus, Server, ServerStatus
from a2a_node.model.tool_ports import CopyChange, OpenSession, ServerSession, Stage
from a2a_node.model.tools import LINE, Placement, ServerConfig, ServerTool, ServerValue
from a2a_node.tools.backoff import Backoff

STORE_PAUSE = 1.0  # seconds until a registry that is away is asked again

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hands:
    """What supervisors work with."""

    open: OpenSession
    stage: Stage
    secret: Callable[[str], str]
    """The node's own secret of a name; InvalidInput when it has none."""
    say: Callable[[CopyChange], None]
    restarted: Callable[[Server, str], None]
    """Hears of each restart, and why."""


class Supervisor:
    """Keeps one server; `run` ends only when it is cancelled, and the server with it."""

    def __init__(self, server: Server, hands: Hands, *, again: bool = False) -> None:
        """`again` says that somebody wished the server restarted, which this is."""
        self.server, self.status, self.healthy = server, ServerStatus.STARTING, False
        self.grace = server.grace
        self._hands, self._again, self._why = hands, again, "somebody wished it"
        self._lines: deque[str] = deque(maxlen=server.config.limits.log_lines)
        self._woken, self._parting = asyncio.Event(), asyncio.Event()
        self._calm: Callable[[], Awaitable[None]] | None = None

    @property
    def stands(self) -> bool:
        """Whether it can be called, or is about to be for the first time."""
        return self.status in (ServerStatus.RUNNING, ServerStatus.STARTING)

    @property
    def lines(self) -> Sequence[str]:
        """The last lines of its stderr, the oldest first; those of ended processes among them."""
        return [*self._lines]

    def wake(self) -> None:
        """Start it now, if it waits."""
        self._woken.set()

    def part(self, calm: Callable[[], Awaitable[None]]) -> bool:
        """Have it end for good, once `calm` has waited for its calls: none begins from now on. False if none can."""
        if self.status not in (ServerStatus.RUNNING, ServerStatus.UNHEALTHY):
            return False
        self._calm = calm
        self._parting.set()
        return True

    async def run(self) -> None:
        """Keep it until it has parted, or for ever."""
        backoff = Backoff(self.server.config.restart)
        if self._is_left_alone():
            await self._quarantined(self.server.problem)
        while True:
            self._woken.clear()
            began = _now()
            try:
                why = await self._life()
            except StoreUnavailable:
                await asyncio.sleep(STORE_PAUSE)
                continue
            if self._calm is not None:
                return
            pause = backoff.failed(_now(), _now() - began)
            log.warning("mcp server down", server=self.server.id, why=why, again_in=pause)
            if pause is None:
                await self._quarantined(f"{why}; it was restarted too often, and waits for `a2a-node tools start`")
                backoff = Backoff(self.server.config.restart)
            else:
                await self._waited(why, pause)
            self._again, self._why = True, why

    def _is_left_alone(self) -> bool:
        """Whether it is in quarantine since before: on another node, or before this one was started anew."""
        alone = self.server.config.placement is Placement.ONE_NODE
        return alone and self.server.status is ServerStatus.QUARANTINED and not self._again

    async def _life(self) -> str:
        """One start, and all that follows; why it is over."""
        self._tell(ServerStatus.STARTING, restarts=int(self._again))
        if self._again:
            self._hands.restarted(self.server, self._why)
        self._again = False
        try:
            async with self._hands.open(self.server.id, self._resolved(), lambda: self.grace, self._log) as session:
                async with self._hands.stage.offering(self.server, session):
                    self._tell(ServerStatus.RUNNING, HealthStatus.HEALTHY, started=True, tools=session.tools)
                    log.info("mcp server running", server=self.server.id, tools=len(session.tools))
                    why = await self._watched(session)
                if self._calm is not None:  # off the stage, where no call begins, those under way go on
                    await self._calm()
                return why
        except StoreUnavailable:
            raise
        except MeshError as failure:
            return failure.message
        except OSError as failure:
            return failure.strerror or type(failure).__name__
        except Exception:
            log.exception("mcp server could not be kept", server=self.server.id)
            return "internal error; the node's log has the rest"

    async def _watched(self, session: ServerSession) -> str:
        """Why it is over: it ended, or does not answer any more."""
        ends = [asyncio.create_task(end) for end in (session.closed(), self._pulse(session), self._parted())]
        beside = asyncio.create_task(self._news(session))
        try:
            done, _ = await asyncio.wait((*ends, beside), return_when=asyncio.FIRST_COMPLETED)
            return str(next(iter(done)).result())
        finally:
            for task in (*ends, beside):
                task.cancel()
            await asyncio.wait((*ends, beside))

    async def _parted(self) -> str:
        await self._parting.wait()
        return "another node takes it"

    async def _pulse(self, session: ServerSession) -> str:
        """Ask again and again; why it is believed to be dead."""
        rules, failures = self.server.config.health, 0
        while failures < rules.failures:
            await asyncio.sleep(rules.interval)
            try:
                async with asyncio.timeout(rules.timeout):
                    await session.ping()
            except (MeshError, TimeoutError):
                failures += 1
                problem = f"it did not answer {failures} of {rules.failures} health checks"
                self._tell(ServerStatus.UNHEALTHY, HealthStatus.UNHEALTHY, checked=True, problem=problem)
            else:
                failures = 0
                self._tell(ServerStatus.RUNNING, HealthStatus.HEALTHY, checked=True)
        return f"it did not answer {failures} health checks in a row"

    async def _news(self, session: ServerSession) -> None:
        while True:
            await session.changed()
            health = HealthStatus.HEALTHY if self.healthy else HealthStatus.UNHEALTHY
            self._tell(self.status, health, tools=session.tools)

    async def _waited(self, why: str, pause: float) -> None:
        self._tell(ServerStatus.FAILED, HealthStatus.UNHEALTHY, problem=why, retry_in=pause)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._woken.wait()

    async def _quarantined(self, why: str) -> None:
        self._tell(ServerStatus.QUARANTINED, HealthStatus.UNHEALTHY, problem=why)
        await self._woken.wait()

    def _resolved(self) -> ServerConfig:
        """The configuration with all secrets in it; InvalidInput names one that the node has not."""
        config = self.server.config
        return config.with_values(
            {
                name: ServerValue(self._hands.secret(value.secret_name)) if value.secret_name else value
                for name, value in config.values.items()
            }
        )

    def _log(self, line: str) -> None:
        self._lines.append(line[:LINE])

    def _tell(self, status: ServerStatus, health: HealthStatus = HealthStatus.UNKNOWN, **more: object) -> None:
        self.status, self.healthy = status, health is HealthStatus.HEALTHY
        tools: Sequence[ServerTool] | None = more.get("tools")  # type: ignore[assignment]
        change = CopyChange(self.server.id, status, health, tools=None if tools is None else [*tools])
        self._hands.say(replace(change, **{name: value for name, value in more.items() if name != "tools"}))  # type: ignore[arg-type]


def _now() -> float:
    return asyncio.get_running_loop().time()
