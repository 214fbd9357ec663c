"""An executor in a process of its own, for tests of what happens when it dies.

usage: python -m tests.contract.durables URL EXECUTOR SIDE_EFFECTS MODE; MODE is `begin`, `take` or `rest`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from sqlalchemy import Engine, event, make_url

from a2a_node.model.runs import RunChange, RunLost, RunStatus, RunStep, StepChange, StepStatus
from a2a_node.store.postgres import connected
from a2a_node.store.runs import PostgresRuns
from a2a_node.workflows.durable import Dbos
from tests.contract.run_houses import new_run

LEASE = 2.0  # seconds, of an executor that never renews it
PAUSE = 0.1  # seconds between two looks for runs
PATIENCE = 30.0  # seconds that Postgres has to answer: the machine may be busy
REST = 3.5  # seconds; DBOS looks for what it might do each second
OVER = RunChange(RunStatus.COMPLETED)


def for_psycopg(url: str) -> str:
    """The URL with the driver that DBOS uses."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


class Executor:
    """Walks runs of three steps, one after the other, each of which writes a line; `begin` stalls in the second."""

    def __init__(self, runs: PostgresRuns, name: str, effects: Path, mode: str) -> None:
        self._runs, self._name, self._effects, self._mode = runs, name, effects, mode
        self._ended = 0
        self._cont = asyncio.Event()  # set by SIGCONT
        asyncio.get_running_loop().add_signal_handler(signal.SIGCONT, self._cont.set)

    async def walks(self, run_id: str) -> str:
        """All steps that are not on record; whoever comes late says so, and never ends."""
        try:
            for step in (await self._runs.get(run_id)).steps:
                if step.status is not StepStatus.COMPLETED:
                    await self._done(run_id, step.id)
            await self._runs.change(self._name, run_id, [], OVER)
        except RunLost:
            print("lost", flush=True)  # noqa: T201
            await asyncio.Event().wait()
        self._ended += 1
        print(f"ended {self._ended}", flush=True)  # noqa: T201
        return "completed"

    async def works(self, engine: Dbos) -> None:
        """Record a run, and take whatever nobody has."""
        await self._runs.record(new_run("a", "b", "c"))
        await self._runs.renew(self._name, "n1", LEASE)
        while True:
            for run in await self._runs.claim(self._name, 10):
                await engine.begin(run.id, run.wishes.group)
            await asyncio.sleep(PAUSE)

    async def _done(self, run_id: str, step_id: str) -> None:
        with self._effects.open("a") as file:
            file.write(f"{run_id} {step_id} {self._name}\n")
        if step_id == "b" and self._mode == "begin":
            print("stalled", flush=True)  # noqa: T201
            await self._cont.wait()
        await self._runs.change(self._name, run_id, [StepChange(RunStep(step_id, StepStatus.COMPLETED))])


async def rest() -> None:
    """Say how often DBOS asks for workflows while there are none."""
    asked: list[str] = []
    event.listen(Engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    await asyncio.sleep(REST)
    print("asked", sum("workflow_status" in one for one in asked), flush=True)  # noqa: T201
    await asyncio.Event().wait()


async def main(url: str, name: str, effects: Path, mode: str) -> None:
    """Execute runs until somebody ends it."""
    async with connected(url, patience=PATIENCE) as postgres:
        executor = Executor(PostgresRuns(postgres), name, effects, mode)
        engine = Dbos(for_psycopg(url), name, f"a2a:{name}", executor.walks)
        await engine.launch()
        await (rest() if mode == "rest" else executor.works(engine))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]))
