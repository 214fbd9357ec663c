"""The mesh's secrets in memory: what those in Postgres do, for tests that need no Postgres."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from time import time

from a2a_node.model.secrets import ID_BYTES, KEY_BYTES, Secret, due, outlived
from a2a_node.testing.losable import utc
from a2a_node.testing.presence import Presence


class OneSecret:
    """A secret that never changes, told by a clock of the store's seconds, for nodes that seal and open in one test."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self.now = clock
        self._secret = Secret(os.urandom(ID_BYTES), os.urandom(KEY_BYTES), clock())

    def signing(self) -> Secret:
        """The secret."""
        return self._secret

    def find(self, secret_id: bytes) -> Secret | None:
        """The secret, for its own id."""
        return self._secret if secret_id == self._secret.id else None


class MemorySecrets(Presence):
    """The port `MeshSecrets` on a list. `lose()` makes it behave as if Postgres were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__("postgres")
        self._clock = clock
        self._secrets: list[Secret] = []

    async def current(self) -> tuple[float, Sequence[Secret]]:
        """The time and the secrets, the oldest first; one is made when it is due."""
        self.check()
        now = self._clock().timestamp()
        if due(self._secrets, now):
            over = outlived(self._secrets, now)
            self._secrets = [kept for kept in self._secrets if kept not in over]
            self._secrets.append(Secret(os.urandom(ID_BYTES), os.urandom(KEY_BYTES), now))
        return now, tuple(self._secrets)
