"""A store in memory that tests can take away."""

from __future__ import annotations

from a2a_node.model.errors import StoreUnavailable


class Presence:
    """Whether the store that a twin stands for is there."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._away = False

    def lose(self) -> None:
        """The store goes away: its methods raise StoreUnavailable."""
        self._away = True

    def recover(self) -> None:
        """The store comes back, with all that it knew."""
        self._away = False

    def check(self) -> None:
        """StoreUnavailable while the store is away."""
        if self._away:
            raise StoreUnavailable(self._store)
