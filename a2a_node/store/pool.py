"""How a pool of connections stands, and whether what it lends is tried before."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import Protocol, cast

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

USED = "used"


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections that somebody uses, those that wait for the next one, and how many there may be."""

    in_use: int
    idle: int
    size: int


class _Driver(Protocol):
    """The driver's own connection."""

    def is_closed(self) -> bool: ...


def trying(engine: Engine, believed: float) -> None:
    """Have the engine's pool try what it lends, unless it was used within so many seconds: each try is a round trip."""

    def returned(_: object, entry: ConnectionPoolEntry) -> None:
        entry.info[USED] = monotonic()

    def lent(connection: DBAPIConnection, entry: ConnectionPoolEntry, _: object) -> None:
        fresh = monotonic() - entry.info.get(USED, 0.0) < believed
        if fresh and not cast("_Driver", entry.driver_connection).is_closed():
            return
        if not engine.dialect._do_ping_w_event(connection):  # noqa: SLF001 - what `pool_pre_ping` asks
            raise InvalidatePoolError

    event.listen(engine, "checkin", returned)
    event.listen(engine, "checkout", lent)
