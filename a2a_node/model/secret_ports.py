"""What keeps the secrets of a mesh, as a port.

Every method raises StoreUnavailable, within about a second, when the store is away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from a2a_node.model.secrets import Secret


class MeshSecrets(Protocol):
    """The secrets that all nodes of the mesh share, to know each other's word by."""

    async def current(self) -> tuple[float, Sequence[Secret]]:
        """The store's time and the secrets, the oldest first, never none.

        A first or a next one is made when it is `due`, one for the whole mesh; what is `outlived` is forgotten.
        """
