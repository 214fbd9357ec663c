"""DBOS: what remembers which runs are under way, in its own tables beside the record's.

One process has one DBOS. A run is the durable workflow `run_id:group`, from its beginning to its end. How far it is,
step by step, is in the record alone, which also shuts out whoever comes late: a workflow that is begun again walks on
from there. Whoever takes a run over has DBOS hand the workflow to a queue that it alone listens to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID
from dbos import error as failures

APPLICATION = "a2a-node"
VERSION = "runs-1"  # of what is remembered; DBOS's own choice, a digest of the code, would strand runs at each upgrade
POOL = 10  # connections to Postgres at most
POLL = 0.5  # seconds between two looks for runs that were taken over
NEVER = 86_400.0  # seconds between two looks for what does not exist here
PATIENCE = 10.0  # seconds until one that was taken over begins; then it is asked for again
ALWAYS = 1_000_000_000  # times that a run may be taken over
MOST_FORGOTTEN = 500  # workflows in one pass
ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
Walks = Callable[[str], Awaitable[str]]


class Dbos:
    """DBOS, from its launch to its end. `walks` walks a run, from where the record says that it is."""

    def __init__(self, url: str, executor: str, queue: str, walks: Walks) -> None:
        self._queue, self._walks = queue, walks
        self._begun: dict[str, asyncio.Event] = {}
        logging.getLogger("dbos").setLevel(logging.ERROR)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": url,
            "executor_id": executor,
            "application_version": VERSION,
            "serializer": DBOSPortableJSONSerializer(),
            "sys_db_pool_size": POOL,
            "db_engine_kwargs": {
                "pool_pre_ping": False,  # what a lost connection fails is asked again anyway
                "pool_use_lifo": True,  # what was used last knows its statements
            },
            "notification_coalesce_sec": 1.0,  # nobody here waits for such; else it looks 100 times a second
            "enable_otlp": False,
            "log_level": "ERROR",
        }
        _quieten(DBOS(config=config))

        async def walked(run_id: str, group: int) -> str:
            return await self._walked(run_id, group)

        self._workflow = DBOS.workflow(name="a2a.run", max_recovery_attempts=ALWAYS)(walked)

    async def launch(self) -> None:
        """Make its tables where there are none, and begin to listen."""
        DBOS.listen_queues([self._queue])
        DBOS.launch()  # in the loop that its workflows run on from now on

    async def begin(self, run_id: str, group: int) -> None:
        """Begin a run, or go on with one that was begun elsewhere."""
        name = f"{run_id}:{group}"
        self._begun[run_id] = asyncio.Event()
        try:
            with SetWorkflowID(name, workflow_id_reuse_policy="reject"):
                await DBOS.start_workflow_async(self._workflow, run_id, group)
        except failures.DBOSWorkflowIDInUseError:
            await self._take_over(name, run_id, group)
        finally:
            self._begun.pop(run_id, None)

    async def forget(self) -> None:
        """Forget workflows that have ended; nobody else does, and the record keeps their runs."""
        ended = await DBOS.list_workflows_async(status=ENDED, limit=MOST_FORGOTTEN, load_input=False, load_output=False)
        if ended:
            await DBOS.delete_workflows_async([one.workflow_id for one in ended])

    async def _take_over(self, name: str, run_id: str, group: int) -> None:
        """Have the workflow of another executor go on here.

        One that has ended, of a run that has not, knows nothing that the record does not know: it begins anew.
        """
        await DBOS.register_queue_async(self._queue, polling_interval_sec=POLL)
        while True:
            known = await DBOS.get_workflow_status_async(name)
            if known is None or known.status in ENDED:
                await DBOS.delete_workflow_async(name)
                with SetWorkflowID(name):
                    await DBOS.start_workflow_async(self._workflow, run_id, group)
                return
            await DBOS.resume_workflow_async(name, queue_name=self._queue)
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._begun[run_id].wait()
            except TimeoutError:
                log.warning("a run that was taken over has not begun yet", run=run_id)
            else:
                return

    async def _walked(self, run_id: str, _group: int) -> str:
        """The workflow; the group is part of its name alone."""
        if run_id in self._begun:
            self._begun[run_id].set()
        return await self._walks(run_id)


def _quieten(engine: DBOS) -> None:
    """Have it not look, each second, for what nothing here makes: delayed or timed workflows, and some of its own."""
    engine._background_jobs_stop_event.set()  # noqa: SLF001 - its version is pinned, and a test counts what it asks
    engine._registry.get_internal_queue()._polling_interval_sec = NEVER  # noqa: SLF001
