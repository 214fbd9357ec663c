"""The streams that outlast connections: who writes them, who goes on with them, and who comes back to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.heirs import Heirs
from a2a_node.mesh.outliving import Outliving
from a2a_node.mesh.returning import Returning
from a2a_node.mesh.writers import Writers
from a2a_node.model import stream_ports
from a2a_node.settings import Settings


@dataclass(frozen=True, slots=True)
class Streams:
    """What keeps streams going."""

    writers: Writers
    heirs: Heirs
    outliving: Outliving
    returning: Returning


@asynccontextmanager
async def streaming(settings: Settings, kept: stream_ports.Streams, calls: Calls) -> AsyncIterator[Streams]:
    """Keep the streams of these calls going until the block ends."""
    lease = settings.lease
    async with (
        Writers.writing(kept, calls, lease=lease, grace=settings.stream_grace) as writers,
        Heirs.waiting(kept, writers, calls, lease) as heirs,
        Outliving.keeping(calls) as outliving,
    ):
        yield Streams(writers, heirs, outliving, Returning(kept, calls, lease))
