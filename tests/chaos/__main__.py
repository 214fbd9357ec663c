"""`make chaos`: every fault, under load, on real processes; exits 1 when a figure that must be zero is not."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic

from tests.chaos.faults import LANES, Fault, Kind
from tests.chaos.load import Load
from tests.chaos.mesh import COPIES, LEASE, Mesh, mesh
from tests.chaos.rows import Row, read, written
from tests.chaos.tables import short, whole
from tests.chaos.tally import admitted, doubled, over_admitted, unheard
from tests.e2e.tools import ROOT

RESULT = ROOT / "build" / "chaos.json"


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is done."""

    rounds: int  # of faults that are done many times
    seconds: float  # of those that last


def main(arguments: Sequence[str]) -> int:
    """Do everything, or what is named; `--quick` for the quick part, `--tables` for the last result as text."""
    if "--tables" in arguments:
        rows = read(RESULT)
        print(f"{short(rows)}\n\n{whole(rows)}")  # noqa: T201 - the tables are what a person asked for
        return 0
    quick = "--quick" in arguments
    rounds, seconds = (2, LEASE + 1.0) if quick else (20, 20.0)
    extent = Extent(int(os.environ.get("CHAOS_ROUNDS", rounds)), float(os.environ.get("CHAOS_SECONDS", seconds)))
    wanted = [word for word in arguments if not word.startswith("--")]
    began = monotonic()
    rows = asyncio.run(everything(extent, wanted))
    written(rows, RESULT)
    print(f"{sum(not row.clean for row in rows)} of {len(rows)} not clean, {monotonic() - began:.0f} s")  # noqa: T201
    return 0 if all(row.clean for row in rows) else 1


async def everything(extent: Extent, wanted: Sequence[str]) -> list[Row]:
    """The rows of all faults, or of those that are named; each lane has a mesh of its own, side by side."""
    lanes = [[fault for fault in lane if not wanted or fault.name in wanted] for lane in LANES]

    async def suffered(number: int, lane: Sequence[Fault]) -> list[Row]:
        with open_folder() as home:
            async with mesh(home, secrets.token_urlsafe(32), 10 + number) as one:
                return [await row(one, fault, extent) for fault in lane]

    async with asyncio.TaskGroup() as tasks:
        done = [tasks.create_task(suffered(number, lane)) for number, lane in enumerate(lanes) if lane]
    return [one for task in done for one in task.result()]


async def row(suffers: Mesh, fault: Fault, extent: Extent) -> Row:
    """Do a fault under load, and say what came of it."""
    await warmed(suffers)
    await suffers.acquaint()
    before, began = await suffers.gauges(), monotonic()
    addresses = suffers.own_addresses if fault.churn else suffers.addresses
    load = Load(fault.name, addresses, suffers.key, fault.churn)
    running = asyncio.create_task(load.run())
    recoveries, over = await rounds(suffers, load, fault, extent)
    load.stop()
    await running
    await load.ask_again(over if fault.forgets else 0.0)
    gc.collect()  # a call that failed may lie in a cycle here and hold its connection: nodes must not pay for that
    await suffers.acquaint()
    left = await suffers.left(before)
    if left:
        print(f"{fault.name}: {suffers.connections()}", file=sys.stderr)  # noqa: T201 - for whoever has to find out why
    tally = load.tally
    ours = [line for line in suffers.ledger() if f"-{fault.name}-" in line[0]]
    twice, again = doubled(tally, ours)
    print(f"{fault.name}: {monotonic() - began:.0f} s", file=sys.stderr)  # noqa: T201
    return Row(
        fault.name,
        rounds=len(recoveries),
        calls=tally.asked,
        lost=tally.lost,
        doubled=twice,
        events_lost=tally.events_lost + unheard(tally, ours, dies=fault.dies),
        events_doubled=tally.events_doubled,
        over_admitted=over_admitted(admitted(tally, ours)),
        leaked=sum(left.values()),
        recovery_ms=round(median(recoveries), 1),
        recovery_max_ms=round(max(recoveries), 1),
        slowest_ms=round(tally.slowest(), 1),
        repeated=again,
        events=tally.events,
        errors=dict(tally.reasons),
        left=dict(left),
    )


async def rounds(suffers: Mesh, load: Load, fault: Fault, extent: Extent) -> tuple[list[float], float]:
    """Do it so often; milliseconds until the first good call of each round, and when the last one was over.

    RuntimeError when it does not recover.
    """
    recoveries, over = [], monotonic()
    many = fault.kind is Kind.ROUNDS
    times = min(extent.rounds, fault.most) if many else min(fault.times, max(1, extent.rounds // 2))
    await well(load, fault, over)
    for number in range(times):
        await asyncio.sleep(random.uniform(0.1, 0.4))  # noqa: S311 - anywhere in the middle of calls
        since = monotonic()
        load.tally.faults.append(since)
        async with fault.done(suffers, number):
            await asyncio.sleep(0 if many else extent.seconds)
        over = monotonic()
        await well(load, fault, over)
        recoveries.append(load.tally.recovered(over if fault.kind is Kind.OUTAGE else since))
    return recoveries, over


async def well(load: Load, fault: Fault, since: float) -> None:
    """Wait until everything works again."""
    if not await load.steady([*COPIES], since):
        raise RuntimeError(f"{fault.name}: calls do not work again; clients saw {dict(load.tally.reasons)}")


async def warmed(suffers: Mesh) -> None:
    """See every node know the agent, and lasting connections be there, so that before and after can be compared."""
    load = Load("warm", suffers.addresses, suffers.key)
    running = asyncio.create_task(load.run())
    steady = await load.steady([*COPIES], monotonic())
    load.stop()
    await running
    if not steady:
        raise RuntimeError("the mesh does not work before anything was done to it")
    await asyncio.sleep(0.5)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that the stores' own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="a2a-chaos-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
