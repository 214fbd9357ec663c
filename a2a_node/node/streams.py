"""The streams that outlast connections: who writes them, who goes on with them, and who comes back to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_node.mesh.chosen import Chosen
from a2a_node.mesh.heirs import Heirs
from a2a_node.mesh.outliving import Outliving
from a2a_node.mesh.returning import Returning
from a2a_node.mesh.writers import Writers
from a2a_node.node.stores import Stores
from a2a_node.node.underway import Underway
from a2a_node.settings import Settings


@dataclass(frozen=True, slots=True)
class Streams:
    """What keeps streams going."""

    writers: Writers
    heirs: Heirs
    outliving: Outliving
    returning: Returning
    chosen: Chosen


@asynccontextmanager
async def streaming(settings: Settings, stores: Stores, underway: Underway) -> AsyncIterator[Streams]:
    """Keep the streams of these calls going until the block ends."""
    lease, kept, calls = settings.lease, stores.streams, underway.calls
    async with (
        Writers.writing(kept, calls, lease=lease, grace=settings.stream_grace) as writers,
        Heirs.waiting(kept, writers, calls, lease) as heirs,
        Outliving.keeping(calls) as outliving,
        Chosen.noting(stores.chosen_ids, underway.ids.fresh) as chosen,
    ):
        yield Streams(writers, heirs, outliving, Returning(kept, calls, lease, chosen.find), chosen)
